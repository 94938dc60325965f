//! Runs a program on a pseudoterminal.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use crate::process::{Process, Program, children};
use crate::{time_limit, wait_until};

/// A program and its terminal.
pub struct TerminalSession {
    running: Process,
    terminal: Terminal,
    modes_before: String,
}

/// The state of a terminal after its program has exited.
#[derive(Debug)]
pub struct TerminalOutput {
    /// Exit code of the program.
    pub code: Option<i32>,
    /// The text on the screen and in the scrollback.
    pub text: String,
    /// All bytes written to the terminal, control sequences included.
    pub transcript: String,
    /// Whether the normal screen, the cursor and the modes were restored.
    pub restored: bool,
}

struct Terminal {
    master: File,
    /// Keeps the modes readable after the program has exited.
    slave: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Returns all output at its end.
    reader: JoinHandle<Vec<u8>>,
}

impl Program {
    /// Starts the program on a terminal of that size, with colours, Unicode and the default actions of signals unless
    /// set otherwise. A size of 0 stands for a terminal that has none.
    pub fn start_on_terminal(self, columns: u16, rows: u16) -> TerminalSession {
        let terminal = Terminal::open(columns, rows);
        let modes_before = terminal.modes();
        let slave = || Stdio::from(terminal.slave.try_clone().expect("a descriptor can be copied"));
        // setsid makes it the controlling terminal of a new session.
        let program = self.with_default_signals().started_by("setsid", "--ctty");
        let program = program.env_unless_set("TERM", "xterm-256color").env_unless_set("LC_ALL", "C.UTF-8");
        let running = program.start_with(slave(), slave(), slave());
        TerminalSession { running, terminal, modes_before }
    }
}

impl TerminalSession {
    /// Returns the text on the screen.
    pub fn text(&self) -> String {
        self.terminal.screen().screen().contents()
    }

    /// Returns the current screen.
    pub fn screen(&self) -> vt100::Screen {
        self.terminal.screen().screen().clone()
    }

    /// Waits until the screen shows this text.
    #[track_caller]
    pub fn shows(&self, words: &str) {
        let start = Instant::now();
        while !self.text().contains(words) {
            assert!(start.elapsed() < time_limit(), "{words:?} is not on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the screen no longer shows this text.
    #[track_caller]
    pub fn shows_no_more(&self, words: &str) {
        wait_until(&format!("{words:?} is off the screen"), || !self.text().contains(words));
    }

    /// Types these keys.
    pub fn press(&mut self, keys: &str) {
        self.terminal.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Resizes the terminal.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.terminal.resize(columns, rows);
    }

    /// Whether the program uses the alternate screen and has changed the terminal's modes.
    pub fn is_taken_over(&self) -> bool {
        self.terminal.screen().screen().alternate_screen() && self.terminal.modes() != self.modes_before
    }

    /// Whether the normal screen is shown, with the cursor, in the modes that the terminal had at first.
    pub fn is_released(&self) -> bool {
        let screen = self.screen();
        !screen.alternate_screen() && !screen.hide_cursor() && self.terminal.modes() == self.modes_before
    }

    /// Returns the process of the job that the shell on this terminal has started.
    #[track_caller]
    pub fn job(&self) -> u32 {
        *children(self.running.id()).first().expect("the shell has a job")
    }

    /// Whether any cell of the screen has a colour.
    pub fn has_colour(&self) -> bool {
        let parser = self.terminal.screen();
        let (rows, columns) = parser.screen().size();
        let mut cells = (0..rows.get())
            .flat_map(|row| (0..columns.get()).map(move |column| (row, column)))
            .filter_map(|(row, column)| parser.screen().cell(row, column));
        cells.any(|cell| (cell.fgcolor(), cell.bgcolor()) != (vt100::Color::Default, vt100::Color::Default))
    }

    /// Returns the program.
    pub fn program(&mut self) -> &mut Process {
        &mut self.running
    }

    /// Waits for the program to exit.
    #[track_caller]
    pub fn finish(self) -> TerminalOutput {
        let code = self.running.finish().code;
        let modes = self.terminal.modes();
        let Terminal { master: _master, slave, screen, reader } = self.terminal;
        // Once the last descriptor is closed, the reader reaches the end of the output.
        drop(slave);
        let transcript = reader.join().expect("the reader does not panic");
        let mut parser = screen.lock().unwrap_or_else(PoisonError::into_inner);
        let hidden = parser.screen().alternate_screen() || parser.screen().hide_cursor();
        let mut text = parser.screen().contents();
        parser.screen_mut().set_scrollback(usize::MAX);
        if parser.screen().scrollback() > 0 {
            text = format!("{}\n{text}", parser.screen().contents());
        }
        let transcript = String::from_utf8_lossy(&transcript).into_owned();
        TerminalOutput { code, text, transcript, restored: !hidden && modes == self.modes_before }
    }
}

impl TerminalOutput {
    /// Asserts the exit code. A failure includes the whole transcript.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.transcript);
        self
    }
}

impl Terminal {
    fn open(columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)
            .expect("this machine has pseudo terminals: is devpts mounted on /dev/pts?");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("the terminal belongs to this process");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let slave = File::options().read(true).write(true).open(path).expect("it opens");
        let master = File::from(master);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(rows), size(columns), 1_000)));
        let reader = std::thread::spawn({
            let (mut from, screen) =
                (master.try_clone().expect("a descriptor can be copied"), Arc::clone(&screen));
            move || {
                let (mut bytes, mut transcript) = ([0; 8_192], Vec::new());
                while let Ok(count @ 1..) = from.read(&mut bytes) {
                    screen.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..count]);
                    transcript.extend_from_slice(&bytes[..count]);
                }
                transcript
            }
        });
        let terminal = Self { master, slave: slave.into(), screen, reader };
        terminal.resize(columns, rows);
        terminal
    }

    fn resize(&self, columns: u16, rows: u16) {
        self.screen().screen_mut().set_size(size(rows), size(columns));
        let winsize = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, winsize).expect("it takes a size");
    }

    /// Returns the modes in a comparable form.
    fn modes(&self) -> String {
        format!("{:?}", tcgetattr(&self.slave).expect("it has modes"))
    }

    fn screen(&self) -> std::sync::MutexGuard<'_, vt100::Parser> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The size of the emulated screen, which always has one.
fn size(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).or(NonZeroU16::new(80)).expect("80 is not 0")
}
