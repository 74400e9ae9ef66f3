// Package userdata holds what is stored about users, and which rooms are active: names,
// read marks, and the list of rooms with unread counts. None of it is in the log of a
// room. A crash may lose the read marks of the last seconds.
//
//	names.go        Names: display names that users chose
//	readmarks.go    ReadMarks: how far each user has read; written every few seconds
//	recentrooms.go  RecentRooms: all rooms by last activity, and their unread counts
//	roompage.go     roomPage: reading the list in pages while rooms move in it
//
// It knows no connections. Values are in the bucket eventlog.Users, where version 0.1.0
// stored them under the same keys.
package userdata
