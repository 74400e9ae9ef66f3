package view

import (
	"context"
	"errors"
	"strings"

	"websockets/shared"
	"websockets/wasm/client"
)

// Sentence capitalizes a text and ends it with a period.
func Sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + strings.TrimSuffix(text[1:], ".") + "."
}

// ErrorText returns the text of an error for the reader. Texts of the server are meant
// for people already.
func ErrorText(err error) string {
	var said *shared.Error
	switch {
	case errors.As(err, &said):
		return Sentence(said.Message)
	case errors.Is(err, client.ErrDisconnected), errors.Is(err, client.ErrBusy):
		return "There is no connection right now. Please try again in a moment."
	case errors.Is(err, context.DeadlineExceeded):
		return "The server didn't answer. Please try again in a moment."
	case errors.Is(err, client.ErrOutboxFull):
		return "Too many messages are waiting to be sent. Please wait for the connection."
	case errors.Is(err, client.ErrNoRoom):
		return "Please choose a room first."
	}
	return Sentence(err.Error())
}
