//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package sqlite

// fileLock stands in for a lock where the system has none that it releases by itself.
type fileLock struct{}

func lockShared(string) (*fileLock, error) { return &fileLock{}, nil }

// lockAlone refuses: what needs the database alone would otherwise risk it.
func lockAlone(string) (*fileLock, error) {
	return nil, unavailable("on this system it cannot be told whether the database is in use")
}

func (*fileLock) alone() error   { return nil }
func (*fileLock) release() error { return nil }

func likewise(string, string) error { return nil }
