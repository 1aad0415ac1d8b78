//go:build unix

package pgtest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"regexp"

	"github.com/jackc/pgx/v5/pgproto3"
)

// The numbers that stand for a version in the first message of a client that asks for something else.
const (
	askTLS = 80877103
	askGSS = 80877104
)

// maxMessage bounds the memory of a message that is none.
const maxMessage = 1 << 28

// readMessage reads a message of PostgreSQL's protocol, whole: a letter for its type, which a client's
// first messages do not have, the length of the rest, and the rest.
func readMessage(r io.Reader, typed bool) ([]byte, error) {
	header := 4
	if typed {
		header = 5
	}
	message := make([]byte, header)
	if _, err := io.ReadFull(r, message); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(message[header-4:])
	if length < 4 || length > maxMessage {
		return nil, fmt.Errorf("pgtest: a message of %d bytes", length)
	}
	message = append(message, make([]byte, length-4)...)
	_, err := io.ReadFull(r, message[header:])
	return message, err
}

// commitText matches statements of which one is a commit.
var commitText = regexp.MustCompile(`(?i)(^|;)\s*commit\b`)

// requests reads what a client sends and knows a commit when it sees one.
type requests struct {
	*bufio.Reader
	commits struct{ statements, portals map[string]bool } // the names of prepared ones
}

func newRequests(r io.Reader) *requests {
	q := &requests{Reader: bufio.NewReader(r)}
	q.commits.statements, q.commits.portals = map[string]bool{}, map[string]bool{}
	return q
}

// first reads the message with which a client begins, and refuses what would make the later ones
// unreadable: then it asks again.
func (q *requests) first(refuse func() error) ([]byte, error) {
	for {
		message, err := readMessage(q, false)
		if err != nil || len(message) < 8 {
			return message, err
		}
		if version := binary.BigEndian.Uint32(message[4:]); version != askTLS && version != askGSS {
			return message, nil
		}
		if err := refuse(); err != nil {
			return nil, err
		}
	}
}

// next reads a later message and says whether the server commits when it gets it.
func (q *requests) next() (message []byte, commit bool, err error) {
	if message, err = readMessage(q, true); err != nil {
		return nil, false, err
	}
	body := message[5:]
	switch message[0] {
	case 'Q':
		var query pgproto3.Query
		err = query.Decode(body)
		commit = commitText.MatchString(query.String)
	case 'P':
		var parse pgproto3.Parse
		err = parse.Decode(body)
		q.commits.statements[parse.Name] = commitText.MatchString(parse.Query)
	case 'B':
		var bind pgproto3.Bind
		err = bind.Decode(body)
		q.commits.portals[bind.DestinationPortal] = q.commits.statements[bind.PreparedStatement]
	case 'E':
		var execute pgproto3.Execute
		err = execute.Decode(body)
		commit = q.commits.portals[execute.Portal]
	}
	return message, commit, err
}

// settles says whether a server's message tells what became of a commit: done, rolled back or refused.
func settles(message []byte) bool {
	switch message[0] {
	case 'C':
		var done pgproto3.CommandComplete
		tag := ""
		if done.Decode(message[5:]) == nil {
			tag = string(done.CommandTag)
		}
		return tag == "COMMIT" || tag == "ROLLBACK"
	default:
		return message[0] == 'E'
	}
}
