package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"syscall/js"

	"websockets/wasm/client"
)

// exposeSendEvent puts sendEvent(type, payload) into the browser's console. It
// returns a promise that is rejected when the event could not be sent.
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

// eventOf reads the arguments of sendEvent. No payload is {}.
func eventOf(args []js.Value) (eventType string, payload json.RawMessage, err error) {
	if len(args) == 0 || args[0].Type() != js.TypeString {
		return "", nil, errors.New(`sendEvent takes a type and a payload: sendEvent("send_message", {message: "hi"})`)
	}
	payload = json.RawMessage("{}")
	if len(args) == 1 {
		return args[0].String(), payload, nil
	}
	defer func() {
		// JSON.stringify throws on what has no JSON, such as an object inside itself.
		if thrown := recover(); thrown != nil {
			err = fmt.Errorf("the payload cannot be written as JSON: %v", thrown)
		}
	}()
	if text := window.Get("JSON").Call("stringify", args[1]); text.Type() == js.TypeString {
		payload = json.RawMessage(text.String())
	}
	return args[0].String(), payload, nil
}

// promise does something in a goroutine of its own and returns a JavaScript
// promise of it.
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
