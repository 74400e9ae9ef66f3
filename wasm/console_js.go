package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"syscall/js"

	"websockets/wasm/client"
)

// exposeSendEvent defines sendEvent(type, payload) for the browser's console. It returns
// a promise, which is rejected if the event could not be sent.
func exposeSendEvent(c *client.Client) {
	window.Set("sendEvent", js.FuncOf(func(_ js.Value, args []js.Value) any { // as long as the page
		eventType, payload, err := eventOf(args)
		return promise(func() error {
			if err != nil {
				return err
			}
			return c.SendEvent(eventType, payload)
		})
	}))
}

// eventOf parses the arguments of sendEvent. A missing payload means {}.
func eventOf(args []js.Value) (eventType string, payload json.RawMessage, err error) {
	if len(args) == 0 || args[0].Type() != js.TypeString {
		return "", nil, errors.New(`sendEvent takes a type and a payload: sendEvent("send_message", {message: "hi"})`)
	}
	payload = json.RawMessage("{}")
	if len(args) == 1 {
		return args[0].String(), payload, nil
	}
	defer func() {
		// JSON.stringify throws for a value without JSON, such as a cyclic object.
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("the payload cannot be written as JSON: %v", thrown)
		}
	}()
	if text := window.Get("JSON").Call("stringify", args[1]); text.Type() == js.TypeString {
		payload = json.RawMessage(text.String())
	}
	return args[0].String(), payload, nil
}

// promise runs a function on its own goroutine and returns a JavaScript promise for it.
func promise(do func() error) js.Value {
	var executor js.Func
	executor = js.FuncOf(func(_ js.Value, args []js.Value) any {
		resolve, reject := args[0], args[1]
		go func() {
			defer executor.Release()
			if err := do(); err != nil {
				reject.Invoke(window.Get("Error").New(err.Error()))
				return
			}
			resolve.Invoke()
		}()
		return nil
	})
	return window.Get("Promise").New(executor)
}
