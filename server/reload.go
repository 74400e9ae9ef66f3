package main

// reloadable is a file that is read again at SIGHUP.
type reloadable struct {
	file string
	read func() error // on an error, what was read before stays in use
}

// reload reads the reloadable files again.
func (c *chatServer) reload() {
	if len(c.files) == 0 {
		c.logger.Info("got SIGHUP, but no flag names a file to reload")
	}
	for _, f := range c.files {
		err := f.read()
		if err != nil {
			c.logger.Error("reload failed, keeping what was read before", "file", f.file, "err", err)
			continue
		}
		c.logger.Info("reloaded", "file", f.file)
	}
}
