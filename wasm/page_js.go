package main

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall/js"
	"time"

	"websockets/shared"
	"websockets/wasm/client"
	"websockets/wasm/view"
)

// Page shows the client's View and tells the client what the reader does.
//
// Everything but post, changed and after belongs to the goroutine that called
// run. The browser's callbacks only look at their event and post the rest, so
// they never block the browser. What has to wait for the server is done on a
// goroutine of its own, which posts the result.
type Page struct {
	client *client.Client
	again  chan struct{} // tells stayConnected to start the client anew
	stop   atomic.Value  // context.CancelFunc: ends the client's Run

	// mu guards queue: the work for run's goroutine, in order. One token in posted
	// says as much as many.
	mu     sync.Mutex
	queue  []func()
	posted chan struct{}

	body      js.Value
	frame     js.Func   // what requestAnimationFrame calls
	drawing   bool      // a frame is wanted
	throttled bool      // the one before is not painted yet
	nextFrame time.Time // when the next one may be asked for
	ticking   bool      // a look at the clock has been asked for

	// view is what is shown now.
	view    client.View
	current string // the room shown now, empty before the first
	booted  bool

	timeline   *timeline
	connection connectionParts
	rooms      roomParts
	members    memberParts
	composer   composerParts
	me         meParts
	topic      topicParts
	forget     forgetParts
	drawer     *drawer
	bell       *bellParts

	title       *label
	heading     *label
	notice      *label
	announce    *label
	empty       js.Value
	typing      *label
	loggedError *shared.Error // the last error that the console was told
	loading     bool          // messages of the log are on their way, or not shown yet
	loaded      bool          // they are there, or will not come
	loadFailed  time.Time     // the last time that they did not come
	probedOlder bool          // whether there are any was asked, for the current room

	// queued is how many messages would be lost with the page; the browser's
	// callback asks. None are if the browser keeps the outbox.
	queued atomic.Int32
	keeps  bool // set before run
}

// newPage returns a page that can be posted to and has yet to find its parts.
func newPage() *Page {
	return &Page{again: make(chan struct{}, 1), posted: make(chan struct{}, 1)}
}

// findParts finds the elements of index.html. It comes before run.
func (p *Page) findParts() {
	p.body = document.Get("body")
	p.title = newLabel(find(document, "title"))
	p.heading = newLabel(byID("room-name"))
	p.notice = newLabel(find(byID("notice"), "span"))
	p.announce = newLabel(byID("announce"))
	p.empty = byID("empty")
	p.typing = newLabel(byID("typing"))
	p.frame = js.FuncOf(func(js.Value, []js.Value) any { // as long as the page
		p.post(p.draw)
		return nil
	})
	p.timeline = newTimeline(p.after)
	p.connection = newConnectionParts()
	p.rooms = newRoomParts()
	p.members = newMemberParts()
	p.composer = newComposerParts()
	p.me = newMeParts()
	p.topic = newTopicParts()
	p.forget = newForgetParts()
	p.drawer = newDrawer()
	p.bell = newBellParts()
}

// post leaves work for run's goroutine. It never blocks; any goroutine may call
// it.
func (p *Page) post(work func()) {
	p.mu.Lock()
	p.queue = append(p.queue, work)
	p.mu.Unlock()
	select {
	case p.posted <- struct{}{}:
	default:
	}
}

// after posts work once a time has passed.
func (p *Page) after(d time.Duration, work func()) {
	time.AfterFunc(d, func() { p.post(work) })
}

// changed says that the View is another one. Any goroutine may call it.
func (p *Page) changed() { p.post(p.redraw) }

// run works for as long as the page is open.
func (p *Page) run() {
	p.listenToWindow()
	p.listenToRooms()
	p.listenToTimeline()
	p.listenToComposer()
	p.listenToDrafts()
	p.listenToMembers()
	p.listenToMe()
	p.listenToTopic()
	p.listenToKeys()
	p.listenToForget()
	p.listenToDrawer()
	p.listenToBell()
	p.redraw()
	for range p.posted {
		p.mu.Lock()
		queue := p.queue
		p.queue = nil
		p.mu.Unlock()
		for _, work := range queue {
			work()
		}
	}
}

// stayConnected runs the client. It returns to the server for ever by itself,
// except after a close that is final, and after stopClient: then the reader
// decides.
func (p *Page) stayConnected() {
	for {
		ctx, stop := context.WithCancel(context.Background())
		p.stop.Store(stop)
		p.client.Run(ctx) // the View says why it ended
		stop()
		p.changed()
		<-p.again
		select {
		case <-p.again: // said twice
		default:
		}
	}
}

// stopClient ends the connection; connectAgain starts it anew.
func (p *Page) stopClient() {
	if stop, ok := p.stop.Load().(context.CancelFunc); ok {
		stop()
	}
}

// maxFrameGap is how long at most the page is not drawn when it has something to show.
const maxFrameGap = 200 * time.Millisecond

// redraw asks for a frame, once for all that changes before it. A page that is
// not seen gets no frames from the browser, so it takes its time.
func (p *Page) redraw() {
	if p.drawing {
		return
	}
	p.drawing = true
	if !p.throttled {
		p.askFrame()
	}
}

func (p *Page) askFrame() {
	wait := time.Until(p.nextFrame)
	switch {
	case document.Get("hidden").Bool():
		p.after(maxFrameGap, p.draw)
	case wait > 0:
		p.after(wait, func() { window.Call("requestAnimationFrame", p.frame) })
	default:
		window.Call("requestAnimationFrame", p.frame)
	}
}

// rest keeps the next frame back for as long as this one took the browser, which
// has painted it, and done what came meanwhile, before it has time for a timer.
// So when more comes than can be drawn, half of the time is for taking it in and
// for the reader, and what the page shows goes on in larger steps.
func (p *Page) throttleFrames(begun time.Time) {
	if p.throttled || document.Get("hidden").Bool() {
		return
	}
	p.throttled = true
	p.after(time.Millisecond, func() { // less would be over before the browser has its turn
		now := time.Now()
		wait := min(now.Sub(begun), maxFrameGap)
		if p.timeline.flood { // nobody can read it
			wait = maxFrameGap
		}
		p.throttled, p.nextFrame = false, now.Add(wait)
		if p.drawing {
			p.askFrame()
		}
	})
}

// draw shows the View.
func (p *Page) draw() {
	p.drawing = false
	defer p.throttleFrames(time.Now())
	if p.timeline.AtEnd {
		p.client.ShowLatest(p.current)
	} else {
		p.client.PinView(p.current)
	}
	v := p.client.View()
	p.view = v
	if p.loaded { // what is beyond these is seen from now on
		p.loading, p.loaded = false, false
	}
	if !p.keeps {
		p.queued.Store(int32(v.Queued))
	}

	if v.Current != p.current {
		p.entered(v)
	}
	p.drawConnection(v)
	p.drawRooms(v)
	p.drawMe(v)
	p.drawTopic(v)
	p.drawDrawer()
	names := view.NamesOf(v)
	p.drawMembers(v, names)
	p.drawComposer(v)
	p.drawBell(v)
	p.typing.set(view.Typing(v.Room.Typing))
	p.title.set(titleOf(v))

	room := v.Room
	if !p.booted && (room.Synced || len(room.Messages) > 0 || room.Refused != nil) {
		p.booted = true
		setData(p.body, "boot", "ready")
		if document.Get("activeElement").Equal(p.body) {
			p.focusComposer()
		}
	}
	// A room that has fewer than it was joined with has no older ones, most likely:
	// asking tells, without the reader having to.
	few := len(room.Messages) < shared.JoinBacklog
	if few && room.More && room.Synced && !p.probedOlder {
		p.probedOlder = true
		p.load(view.Older, false)
	}
	setHidden(p.empty, !room.Synced || len(room.Messages)+len(room.Outgoing)+len(room.Gaps) > 0)
	p.drawTimeline(v, names)
	p.read()

	if e := v.LastError; e != nil && e != p.loggedError {
		p.loggedError = e
		window.Get("console").Call("warn", "The server says: "+e.Error())
	}
}

// entered makes the page that of another room.
func (p *Page) entered(v client.View) {
	if p.current != "" && p.rooms.refusal == nil {
		p.rooms.before = p.current
	}
	p.current, p.probedOlder = v.Current, false
	p.heading.set(v.Current)
	p.composer.enter(v.Current)
	if p.booted {
		p.announce.set(view.EnteredText(v))
		p.showNotice("")
		p.listRooms()
	}
}

// read tells the server what the reader has before his eyes, once it has told how
// far he had read before.
func (p *Page) read() {
	if p.view.Room.Synced && !p.view.Room.ReadKnown {
		p.listRooms()
	}
	if seq := p.timeline.Read(p.view.Room, document.Get("hidden").Bool()); seq != 0 {
		p.client.MarkRead(p.view.Current, seq)
	}
}

func (p *Page) showNotice(text string) {
	p.notice.set(text)
	setHidden(byID("notice"), text == "")
}

func (p *Page) listenToWindow() {
	// What may mean that the network or the page was away: the client finds out with
	// one ping. A page that was frozen gets resume, or nothing but the focus.
	listen(window, "online", func(js.Value) {
		p.client.CheckNow()
		p.changed()
	})
	listen(window, "offline", func(js.Value) {
		p.post(func() {
			if p.view.State == client.Online {
				p.client.CheckNow()
			}
			p.redraw()
		})
	})
	listen(window, "focus", func(js.Value) { p.client.CheckNow() })
	listen(window, "pageshow", func(js.Value) { p.client.CheckNow() })
	listen(document, "resume", func(js.Value) { p.client.CheckNow() })
	listen(window, "popstate", func(js.Value) { p.post(p.followAddress) })
	listen(window, "beforeunload", func(event js.Value) {
		if p.queued.Load() > 0 {
			event.Call("preventDefault") // the browser asks whether to leave
		}
	})
	listen(document, "visibilitychange", func(js.Value) {
		p.post(func() {
			if !document.Get("hidden").Bool() {
				p.client.CheckNow()
				p.listRooms()
			}
			p.draw() // a frame asked for before may never come
		})
	})
	listen(byID("notice-close"), "click", func(js.Value) { p.post(func() { p.showNotice("") }) })
	listen(byID("reload"), "click", func(js.Value) { window.Get("location").Call("reload") })
	listen(byID("reconnect"), "click", func(js.Value) { p.post(p.reconnect) })
}

// titleOf is the tab's title: what is unread in all rooms, and the room.
func titleOf(v client.View) string {
	unread := 0
	for _, r := range v.Rooms {
		unread += r.Unread
	}
	title := "#" + v.Current
	switch {
	case v.Current == "":
		title = "Rooms"
	case unread > shared.MaxUnread:
		title = "(" + strconv.Itoa(shared.MaxUnread) + "+) " + title
	case unread > 0:
		title = "(" + strconv.Itoa(unread) + ") " + title
	}
	return title
}
