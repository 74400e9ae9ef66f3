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

// encoders make the compressed forms of a file, named by what they add to its
// name.
type encoders map[string]func(io.Writer) io.WriteCloser

// best are for a file that is compressed once and fetched many times. Brotli's
// best level takes about 3 s for a megabyte of wasm.
var best = encodersOf(brotli.BestCompression, gzip.BestCompression)

// quick are for a file that is fetched by the person who builds it.
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

// quickMark is a file in dist that says that some of it was compressed quickly. A
// name with a dot is not embedded.
const quickMark = ".quick"

// pack makes dist hold the files, given by their plain names, under hashed names
// with their compressed forms beside them, and nothing older. A hashed name says
// what is in a file, so what is there already is not made again. The manifest
// comes after all it names and before anything is removed: whenever pack is
// interrupted, dist is whole.
//
// What was compressed quickly serves a later quick pack; a later good one
// compresses it again.
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

// hashedName puts 16 hex digits of the content's SHA-256 into a name:
// app.wasm becomes app.0123456789abcdef.wasm.
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

// write puts a file in place whole: nobody ever sees half of it. The temporary
// name begins with a dot, so that neither git nor go:embed takes it up should it
// be left behind.
func write(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(content)
	// CreateTemp's files are for the owner alone; these may be read by all.
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// removeOthers removes what older builds left. Names with a dot in front are
// another pack's, at work at this moment.
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
