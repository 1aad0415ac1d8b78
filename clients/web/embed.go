// Package web holds the pages at which people sign in, enrol and look after their account. They are plain
// files, served as they are: no framework, no build step, nothing from another host.
package web

import (
	"embed"
	"io/fs"
)

//go:embed pages
var embedded embed.FS

// Pages are sign-in.html, enrol.html and account.html, and in the folder assets what they load from
// /assets/. They work under a Content-Security-Policy that allows scripts, styles, images and connections of
// 'self' alone, and no Trusted Types policy.
var Pages = mustSub(embedded, "pages")

// mustSub panics on a folder whose name is no path, which the constant above is.
func mustSub(files fs.FS, folder string) fs.FS {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		panic(err)
	}
	return sub
}
