package archtest

// limitGroup is a table of limits in the reference for clients.
type limitGroup struct {
	title  string
	limits []limit
}

// limit is a constant, "package.name", or the default of a flag, "--Field".
type limit struct{ constant, unit, what, beyond string }

var limitGroups = []limitGroup{
	{"Values", []limit{
		{"shared.MaxFrameBytes", "", "an event to the server", "close code 1009"},
		{"shared.MaxNesting", " levels", "nesting of JSON", "`bad_json`"},
		{"shared.MaxMessageLength", " code points", "a message", "`bad_message`"},
		{"shared.MaxNameLength", " code points", "a display name", "`bad_name`"},
		{"shared.MaxTopicLength", " code points", "a topic", "`bad_topic`"},
		{"shared.MaxRoomLength", " characters", "a room name: `a-z`, `0-9`, `-` and `_`", "`bad_room`"},
		{"shared.MaxIDLength", " characters", "an id: `A-Z`, `a-z`, `0-9`, `-` and `_`", "`bad_id`"},
		{"shared.MaxTokenLength", "", "a token", "`bad_payload`"},
		{"shared.MaxPageLength", " bytes", "the name of a page of rooms", "`bad_payload`"},
	}},
	{"Pages and lists", []limit{
		{"shared.JoinBacklog", " events", "a room that is joined without a cursor; a page of history without `limit`", "`load_history` has older messages"},
		{"shared.MaxHistory", " messages", "a page of history", "`bad_payload`"},
		{"chat.historyBytes", "", "a page of history, about", "the page has fewer messages, and `more`"},
		{"shared.MaxListedRooms", " rooms", "a page of the list of rooms", "`bad_payload`; the answer has `next`"},
		{"shared.MaxListedMembers", " users", "`members` in `room_joined`", "the others are only in `count`"},
		{"shared.MaxUnread", "", "the highest exact unread count", "one more means “more than that”"},
		{"userdata.maxRoomsPerUser", " rooms", "read marks of a user", "the mark with the lowest sequence is forgotten"},
	}},
	{"Rates", []limit{
		{"--Rate", " events a second", "a connection (`--rate`)", "events wait"},
		{"quota.Burst", " s", "of that rate may be sent at once", "events wait"},
		{"quota.MaxDelay", "", "events of a connection may wait altogether, until it is within its rate again", "`rate_limited`"},
		{"quota.RefusalPeriod", "", "all events are refused then", "`rate_limited` with `retry_after`"},
		{"chat.maxRefused", " events", "may be refused in this time", "close code 1008"},
		{"quota.userRate", " times the rate", "all connections of a user together", "as for a connection"},
		{"quota.addressRate", " times the rate", "all connections of an address together", "as for a connection"},
		{"quota.MaxPings", " a second", "ping and pong frames of the WebSocket protocol", "close code 1008"},
		{"quota.NewRoomsBurst", " rooms", "an address may start at once: send the first message", "`rate_limited`"},
		{"quota.NewRoomsPerSecond", "", "it may start then", "`rate_limited`"},
		{"chat.typingInterval", "", "between two `typing` of a connection in a room", "acked, but the room is not told"},
	}},
	{"Connections", []limit{
		{"--MaxConnsPerAddress", " connections", "an address (`--max-conns-per-address`); an IPv6 /64 is one address", "status 429"},
		{"quota.dialsPerSecond", " a second", "connections that an address opens; at first as many as it may have", "status 429"},
		{"quota.MaxUserConns", " connections", "a user", "close code 1013"},
		{"chat.maxRooms", " rooms", "a connection is in", "`too_many_rooms`"},
		{"delivery.Window", " events", "sent and not answered yet, in `welcome` as `in_flight`", "the server reads no further until some are answered"},
		{"delivery.egressBytes", "", "answers that the client has not read", "the server reads no further"},
		{"delivery.PingAfter", "", "of silence, after which the server sends a ping frame: `heartbeat` in `welcome`", ""},
		{"delivery.PongWait", "", "to answer it", "close code 4000"},
		{"chat.messageWait", "", "for a frame to arrive whole", "close code 1008"},
		{"chat.authenticateWait", "", "to send a valid token", "close code 4503"},
		{"chat.authenticateTries", " events", "until then", "close code 4503"},
		{"chat.expiryGrace", "", "after a token has expired, to refresh it", "close code 4503"},
		{"delivery.CloseTimeout", "", "to answer a close frame", "the connection is cut"},
	}},
	{"HTTP API", []limit{
		{"web.maxBody", "", "the body of a request", "status 413"},
		{"web.maxKey", " bytes", "an `Idempotency-Key`", "`bad_id`"},
		{"web.apiTimeout", "", "a request, its body included", "status 503"},
	}},
}

// internal are the constants that a client need not know.
var internal = []string{
	"chat.maxHandshakes", "chat.presenceWait", "chat.retryAfter", "chat.loadRoomsWait", "chat.flushTimeout", "chat.revocationMemory", "chat.trimAfter",
	"quota.retention", "quota.maxQuotas",
	"delivery.flushTimeout", "delivery.offerBytes", "delivery.Tick", "delivery.StallTimeout", "delivery.maxCoalesceBuffer",
	"delivery.readBytes", "delivery.maxReadBytes", "delivery.totalReadBudget", "delivery.batchBytes", "delivery.batchBytesSecure",
	"userdata.flushInterval", "userdata.maxPendingUsers", "userdata.refreshInterval", "userdata.refreshTimeout", "userdata.patience",
	"userdata.keepInterval", "userdata.keepShare", "userdata.countsAtOnce", "web.minToken", "web.maxStackLines", "web.maxStackLine",
}
