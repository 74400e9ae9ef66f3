package shared

// Subprotocol is the name of this protocol for clients that offer subprotocols in
// Sec-WebSocket-Protocol. A client that offers none, or only others, is connected without
// one; a browser then closes the connection if it has offered some.
const Subprotocol = "chat.v1"

// OriginQuery is a parameter of a plain GET of the WebSocket's address. It asks whether a
// page of that origin may connect, because browsers do not tell a page why a WebSocket was
// refused. The answer has HandshakeVersion in the header Sec-WebSocket-Version. Its status
// is 403 if the page may not connect, and 204 if it may.
const OriginQuery = "origin"

// HandshakeVersion is the version of the WebSocket protocol, RFC 6455.
const HandshakeVersion = "13"
