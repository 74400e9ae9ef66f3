package main

import (
	"io"
	"log/slog"

	"websockets/shared"
)

// maxLogValue bounds each value in the log, in bytes before escaping. Some values come
// from clients.
const maxLogValue = 512

// logger returns the server's logger. Both formats escape line breaks, so no value can
// forge a line.
func (s *serveCommand) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // the flag allows only levels
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: clipValue}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// clipValue shortens long texts and errors. It is the ReplaceAttr of slog.HandlerOptions.
func clipValue(_ []string, a slog.Attr) slog.Attr {
	switch value := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(shared.Clip(value, maxLogValue))
	case error:
		a.Value = slog.StringValue(shared.Clip(value.Error(), maxLogValue))
	}
	return a
}
