package client

import (
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// Reason returns the stable reason of a server's error, such as CODE_NOT_ACCEPTED; empty for others.
func Reason(err error) string { return info(err).GetReason() }

// Positions returns the places, counted from 1, at which the server found that a code may be wrong.
func Positions(err error) []int {
	var positions []int
	for _, text := range strings.Split(info(err).GetMetadata()["positions"], ",") {
		if position, err := strconv.Atoi(text); err == nil {
			positions = append(positions, position)
		}
	}
	return positions
}

// RetryAfter returns how long the server asks to wait before another attempt; zero when it asks nothing.
func RetryAfter(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if retry, ok := detail.(*errdetails.RetryInfo); ok {
			return retry.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

func info(err error) *errdetails.ErrorInfo {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}
