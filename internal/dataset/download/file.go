// Package download brings files whose size and hashes are known from the first of
// several mirrors that has them. What has arrived is kept through interruptions,
// failures and changes of mirror, and a file gets its name only once it is right.
package download

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// File is a file to bring and what is known of its content.
type File struct {
	Name   string
	Size   int64  // bytes
	MD5    string // in hex; empty if unknown
	SHA256 string // in hex
}

// Check reads the file at path and compares size and hashes. MD5 is what the data
// sets' authors publish; SHA-256 is what makes a mirror worth no trust.
func (f File) Check(path string) error {
	r, err := os.Open(path)
	if err != nil {
		return err
	}
	defer r.Close()
	md5sum, sha := md5.New(), sha256.New()
	n, err := io.Copy(io.MultiWriter(md5sum, sha), r)
	if err != nil {
		return err
	}
	if n != f.Size {
		return fmt.Errorf("%s has %d bytes, not %d", f.Name, n, f.Size)
	}
	if got := hex.EncodeToString(md5sum.Sum(nil)); f.MD5 != "" && got != f.MD5 {
		return fmt.Errorf("%s has MD5 %s, not %s", f.Name, got, f.MD5)
	}
	if got := hex.EncodeToString(sha.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("%s has SHA-256 %s, not %s", f.Name, got, f.SHA256)
	}
	return nil
}
