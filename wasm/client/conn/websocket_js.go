package conn

//lint:file-ignore SA1019 see websocket.go

import (
	"context"
	"net/url"
	"reflect"
	"strings"
	"syscall/js"

	"nhooyr.io/websocket"

	"websockets/shared"
)

// newDialOptions returns none: a browser sends its cookies by itself and does not
// accept headers.
func newDialOptions(string) dialOptions { return dialOptions{} }

// dial opens a WebSocket. A browser has no answer to show if that fails.
func dial(ctx context.Context, url string, options *dialOptions) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, url, options)
	return conn, err
}

// openWithin calls open and stops waiting for it when ctx ends first. A browser's
// socket cannot be aborted while it connects, at least not with the close codes
// that the library uses, and would stay open unnoticed. So it is closed as soon as
// it has opened; that goroutine may outlive Run.
func openWithin(ctx context.Context, open func(context.Context) (Conn, error)) (Conn, error) {
	type result struct {
		conn Conn
		err  error
	}
	opened := make(chan result, 1)
	go func() {
		conn, err := open(context.WithoutCancel(ctx))
		opened <- result{conn, err}
	}()
	select {
	case r := <-opened:
		return r.conn, r.err
	case <-ctx.Done():
		go func() {
			r := <-opened
			if r.err == nil {
				r.conn.Close(shared.CloseNormal, "dial timed out")
			}
		}()
		return nil, ctx.Err()
	}
}

// explain returns why a page could not open a WebSocket: it asks the server with a plain
// request, see shared.OriginQuery. It returns err if that gives no reason either, for
// example because the server cannot be reached.
func explain(ctx context.Context, address string, err error) error {
	location := js.Global().Get("location")
	if !location.Truthy() {
		return err // not a page
	}
	origin := location.Get("origin").String()
	address, _, _ = strings.Cut(address, "?")
	address = "http" + strings.TrimPrefix(address, "ws") + "?" + shared.OriginQuery + "=" + url.QueryEscape(origin)
	const forbidden, noContent = 403, 204
	status, ours := ask(ctx, address)
	switch {
	case ours && status == forbidden:
		return &RefusedError{"the server does not accept pages from " + origin + ", its operator can allow it"}
	case ours && status == noContent:
		return &RefusedError{"the server answers, but a proxy or firewall on the way does not let WebSockets through"}
	}
	return err
}

// ask sends a GET and returns the status of the answer, and whether it is from a server of
// this protocol and not, for example, from a proxy.
func ask(ctx context.Context, address string) (status int, ours bool) {
	defer func() { _ = recover() }() // calls of the browser may throw: then there is no answer
	controller := js.Global().Get("AbortController").New()
	stop := context.AfterFunc(ctx, func() { controller.Call("abort") })
	defer stop()
	type answer struct {
		status int
		ours   bool
	}
	settled := make(chan answer, 1)
	answered := js.FuncOf(func(_ js.Value, args []js.Value) any {
		version := args[0].Get("headers").Call("get", "Sec-WebSocket-Version")
		settled <- answer{args[0].Get("status").Int(), version.String() == shared.HandshakeVersion}
		return nil
	})
	defer answered.Release()
	failed := js.FuncOf(func(js.Value, []js.Value) any {
		settled <- answer{}
		return nil
	})
	defer failed.Release()
	options := map[string]any{"cache": "no-store", "signal": controller.Get("signal")}
	js.Global().Call("fetch", address, options).Call("then", answered, failed)
	a := <-settled
	return a.status, a.ours
}

// hiddenClose reads the close frame from the library's connection. In a browser,
// Read says only that the connection is closed. The code, which decides whether to
// reconnect, is in the unexported field closeErr. Code 0 means that there was no
// close frame.
func hiddenClose(conn any) (code int, reason string) {
	v := reflect.ValueOf(conn).Elem().FieldByName("closeErr")
	for v.IsValid() {
		for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			break
		}
		c, r := v.FieldByName("Code"), v.FieldByName("Reason")
		if c.IsValid() && r.IsValid() {
			return int(c.Int()), r.String()
		}
		v = v.FieldByName("err")
	}
	return 0, ""
}
