package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

// encoders compress a file. Their keys are the suffixes of the compressed files.
type encoders map[string]func(io.Writer) io.WriteCloser

// best is for files that are compressed once and fetched many times. The best level of
// brotli takes about 3 s for a megabyte of wasm.
var best = encodersOf(brotli.BestCompression, gzip.BestCompression)

// quick is for files that only their developer fetches.
var quick = encodersOf(4, gzip.BestSpeed)

func encodersOf(brotliLevel, gzipLevel int) encoders {
	return encoders{
		".br": func(w io.Writer) io.WriteCloser {
			return brotli.NewWriterLevel(w, brotliLevel)
		},
		".gz": func(w io.Writer) io.WriteCloser {
			z, _ := gzip.NewWriterLevel(w, gzipLevel) // a level that exists
			return z
		},
	}
}

// quickMark is a file in dist. It exists if some files were compressed with quick. Names
// that begin with a dot are not embedded.
const quickMark = ".quick"

// pack writes the files, given by their plain names, to dist under hashed names, with
// their compressed forms, and removes all older files. A hashed name identifies the
// content, so files that exist are not written again.
//
// The manifest is written after all files that it names and before older ones are
// removed. So dist is complete even if pack is interrupted.
//
// A quick pack uses what earlier packs have compressed. A pack that is not quick
// compresses again what was compressed quickly.
func pack(dist string, files map[string][]byte, quickly bool) error {
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	mark, encoders := filepath.Join(dist, quickMark), best
	again := !quickly && exists(mark)
	if quickly {
		encoders = quick
	}
	names := make(map[string]string) // hashed, by plain name
	keep := map[string]bool{"manifest.json": true, "README": true}
	var wait sync.WaitGroup
	errs := make(chan error, len(files)*(1+len(encoders)))
	for name, content := range files {
		hashed := hashedName(name, content)
		names[name] = hashed
		keep[hashed] = true
		wait.Go(func() { errs <- writeOnce(filepath.Join(dist, hashed), content) })
		for suffix, encoder := range encoders {
			keep[hashed+suffix] = true
			if quickly && !exists(filepath.Join(dist, hashed+suffix)) {
				if err := write(mark, nil); err != nil {
					return err
				}
			}
			wait.Go(func() { errs <- compressOnce(filepath.Join(dist, hashed+suffix), content, encoder, again) })
		}
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}

	text, err := json.MarshalIndent(names, "", "\t")
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dist, "manifest.json"), append(text, '\n')); err != nil {
		return err
	}
	if again {
		if err := os.Remove(mark); err != nil {
			return err
		}
	}
	return removeOthers(dist, keep)
}

// hashedName inserts 16 hex digits of the SHA-256 of the content into a name: app.wasm
// becomes app.0123456789abcdef.wasm.
func hashedName(name string, content []byte) string {
	sum := sha256.Sum256(content)
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
}

func writeOnce(path string, content []byte) error {
	if exists(path) {
		return nil
	}
	return write(path, content)
}

func compressOnce(path string, content []byte, encoder func(io.Writer) io.WriteCloser, again bool) error {
	if exists(path) && !again {
		return nil
	}
	var compressed bytes.Buffer
	w := encoder(&compressed)
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return write(path, compressed.Bytes())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// write writes a file atomically: nobody reads half of it. The temporary name begins with
// a dot, so that git and go:embed ignore the file if it is left behind.
func write(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(content)
	// Files of CreateTemp are private to their owner; these may be read by everybody.
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// removeOthers removes the files of older builds. Names that begin with a dot belong to
// another pack that is running.
func removeOthers(dist string, keep map[string]bool) error {
	entries, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		if keep[name] || strings.HasPrefix(name, ".") {
			continue
		}
		if err := os.Remove(filepath.Join(dist, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
