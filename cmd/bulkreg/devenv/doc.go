// Package devenv is what a trial on one machine needs besides the program itself: servers that are gone afterwards, and a demo whose end
// is known beforehand.
//
// It must never touch a database, a Redis or a registrar that somebody else uses.
package devenv
