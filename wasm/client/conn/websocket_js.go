package conn

import (
	"context"
	"reflect"

	"websockets/shared"
)

// newDialOptions returns none: a browser sends its cookies by itself and does not
// accept headers.
func newDialOptions(string) dialOptions { return dialOptions{} }

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
