package postgres

import (
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// AcceptUnchecked accepts a connection over a network whose other end is not checked, or that is not
// encrypted: where something else does both.
const AcceptUnchecked = "sslmode"

// checkEncrypted refuses an address at which another machine is reached without encryption, or without a
// check of its certificate and name: what libpq tries by default. Counts, and hashes of who calls, would pass
// where others listen. Errors wrap ErrAddress and quote nothing of it.
func checkEncrypted(config pgconn.Config, accepted []string) error {
	for _, name := range accepted {
		if name == AcceptUnchecked {
			return nil
		}
	}
	ways := []*pgconn.FallbackConfig{{Host: config.Host, TLSConfig: config.TLSConfig}}
	for _, way := range append(ways, config.Fallbacks...) {
		checked := way.TLSConfig != nil && way.TLSConfig.ServerName != "" && !way.TLSConfig.InsecureSkipVerify
		if !checked && !isHere(way.Host) {
			return fmt.Errorf("%w: the database is reached over a network: say sslmode=verify-full and sslrootcert in it, or, where something else encrypts and checks the connection, accept %s by name", ErrAddress, AcceptUnchecked)
		}
	}
	return nil
}

// isHere reports whether a host is this machine: by a socket, or over loopback.
func isHere(host string) bool {
	address := net.ParseIP(host)
	return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" || address != nil && address.IsLoopback()
}
