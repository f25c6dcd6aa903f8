// Package store is the index of Cardea: one SQLite database that knows every camera, clip, part, gap, event, person and
// vault, and the rules that keep it and the files in step. README.md numbers those rules; package check holds a database
// against them.
//
// It owns the database file, the lock on the data directory and the nouns below. It never opens a clip, never sees a key
// (secrets and wrapped identities are opaque bytes to it) and never decides who may do what: nvr and auth do.
//
// Every public method is one transaction and safe for use by many goroutines. Writes go through one connection in the
// order they arrive; reads have a few connections of their own and do not wait for writes. A context bounds the wait for
// a connection; a transaction that has begun runs to its end.
//
// Times go in as time.Time and come out in UTC, cut to microseconds. A zero time or zero ID means "none".
package store
