package shared

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Registry maps the event types that one side receives to their handlers. P is the
// type of the peer argument of each handler: on the server the client and the
// event's id, on the client the client itself.
//
// Fill it with On, then call Check. From then on it is read-only, and Route is safe
// for concurrent use.
type Registry[P any] struct {
	receives Direction
	routes   map[string]func(context.Context, P, Event) error
	mistakes []error
}

// NewRegistry returns an empty registry for events of one direction.
func NewRegistry[P any](receives Direction) *Registry[P] {
	return &Registry[P]{receives: receives, routes: map[string]func(context.Context, P, Event) error{}}
}

// On registers the handler of an event type. A handler for another payload type
// does not compile. Check reports an event type of the wrong direction, and one with
// two handlers.
func On[P, T any](r *Registry[P], t Type[T], handle func(ctx context.Context, peer P, payload T) error) {
	if !r.accepts(t.name, t.direction) {
		return
	}
	r.routes[t.name] = func(ctx context.Context, peer P, e Event) error {
		payload, err := t.Decode(e)
		if err != nil {
			return err
		}
		return handle(ctx, peer, payload)
	}
}

// accepts reports whether an event type can get a handler here. If not, it notes the
// mistake.
func (r *Registry[P]) accepts(name string, d Direction) bool {
	switch {
	case d != r.receives:
		r.mistakes = append(r.mistakes, fmt.Errorf("%s is sent %s: this side never receives it", name, d))
		return false
	case r.routes[name] != nil:
		r.mistakes = append(r.mistakes, fmt.Errorf("%s has two handlers", name))
		return false
	}
	return true
}

// Check returns an error that names every event type without a handler on this side
// and every misuse of On. Call it once at start-up.
func (r *Registry[P]) Check() error {
	errs := slices.Clone(r.mistakes)
	for _, spec := range Catalogue() {
		if spec.Direction == r.receives && r.routes[spec.Name] == nil {
			errs = append(errs, fmt.Errorf("the event type %s (%s) has no handler on this side: register one with shared.On",
				spec.Name, spec.Direction))
		}
	}
	return errors.Join(errs...)
}

// Route decodes and validates the event's payload and calls the handler. For an
// event type without a handler it returns an *Error with code "unknown_type", for an
// invalid payload the error of Type.Decode, otherwise the handler's error.
func (r *Registry[P]) Route(ctx context.Context, peer P, e Event) error {
	route := r.routes[e.Type]
	if route == nil {
		return Errorf(CodeUnknownType, "unknown event type %q", Clip(e.Type, MaxIDLength))
	}
	return route(ctx, peer, e)
}
