package shared

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Registry maps the event types that one side receives to their handlers. P is
// what a handler is told about the sender: the server's registry hands over the
// client and the event's id, the client's registry itself.
//
// It is filled by On, checked once by Check, and from then on read-only: Route
// may be called from any goroutine.
type Registry[P any] struct {
	receives Direction
	routes   map[string]func(context.Context, P, Event) error
	mistakes []error
}

// NewRegistry returns an empty registry of the side that receives events of
// this direction.
func NewRegistry[P any](receives Direction) *Registry[P] {
	return &Registry[P]{receives: receives, routes: map[string]func(context.Context, P, Event) error{}}
}

// On sets the handler of an event type. A handler for another payload does not
// compile. A type of the other direction, or one that has a handler already, is
// a mistake that Check reports.
func On[P, T any](r *Registry[P], t Type[T], handle func(ctx context.Context, peer P, payload T) error) {
	switch {
	case t.direction != r.receives:
		r.mistakes = append(r.mistakes, fmt.Errorf("%s goes %s: this side never receives it", t.name, t.direction))
		return
	case r.routes[t.name] != nil:
		r.mistakes = append(r.mistakes, fmt.Errorf("%s has two handlers", t.name))
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

// Check returns an error that names every event type of the catalogue that this
// side receives and has no handler for, and every mistake made with On. Call it
// at start-up.
func (r *Registry[P]) Check() error {
	errs := slices.Clone(r.mistakes)
	for _, spec := range Catalogue() {
		if spec.Direction == r.receives && r.routes[spec.Name] == nil {
			errs = append(errs, fmt.Errorf("the catalogue's %s (%s) has no handler on this side: register one with shared.On",
				spec.Name, spec.Direction))
		}
	}
	return errors.Join(errs...)
}

// Route decodes the event's payload, validates it and calls the handler. A type
// without a handler is an *Error with code "unknown_type"; a payload that does
// not fit, one with the code its Type.Decode chose; anything else is the
// handler's own error.
func (r *Registry[P]) Route(ctx context.Context, peer P, e Event) error {
	route := r.routes[e.Type]
	if route == nil {
		return Errorf(CodeUnknownType, "there is no event type %q", Clip(e.Type, MaxIDLength))
	}
	return route(ctx, peer, e)
}
