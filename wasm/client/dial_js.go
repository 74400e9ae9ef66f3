package client

import (
	"context"
	"reflect"

	"websockets/shared"
)

// newDialOptions has nothing to say: a browser sends its cookies by itself and
// takes no headers.
func newDialOptions(string) dialOptions { return dialOptions{} }

// openWithin calls open and leaves it alone when ctx ends first: a browser's
// socket that is still connecting cannot be given up with the codes that the
// library would use, and would stay open unseen. It is closed when it comes
// about; this goroutine may outlive Run.
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
			if r := <-opened; r.err == nil {
				r.conn.Close(shared.CloseNormal, "too late")
			}
		}()
		return nil, ctx.Err()
	}
}

// hiddenClose digs the close frame out of the library's connection. In a browser
// its Read says only that the connection is closed, and keeps the code, which
// decides whether we may come back, in the field closeErr. Code 0 means that
// there was none.
func hiddenClose(conn any) (code int, reason string) {
	v := reflect.ValueOf(conn).Elem().FieldByName("closeErr")
	for v.IsValid() {
		for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			break
		}
		if c, r := v.FieldByName("Code"), v.FieldByName("Reason"); c.IsValid() && r.IsValid() {
			return int(c.Int()), r.String()
		}
		v = v.FieldByName("err")
	}
	return 0, ""
}
