//! Tells of a leak: the pressure that a pipe should have at a temperature, against what it has.
//! `{"temperature": 20, "pressure": 2.1}` in; `{"expected": …, "residual": …}` out when the two are
//! further apart than `params.tolerance` (default 0.25 bar), nothing when they are not.
//!
//! The ABI that this speaks is `docs/wasm-abi.md`. No standard library, no allocator, no dependency.
#![no_std]

use core::fmt::{self, Write};

#[link(wasm_import_module = "edgeboot")]
unsafe extern "C" {
    fn result(pointer: *const u8, length: usize);
    fn error(pointer: *const u8, length: usize);
}

/// Where edgeboot writes an event with its context; one event at a time, so one buffer will do.
static mut INPUT: [u8; INPUT_BYTES] = [0; INPUT_BYTES];
const INPUT_BYTES: usize = 64 * 1024;
static mut TOLERANCE: f64 = 0.25;

// Fitted on a healthy pipe: bar, and bar per degree Celsius.
const PRESSURE_AT_ZERO: f64 = 1.9;
const PRESSURE_PER_DEGREE: f64 = 0.0125;
/// No sensor says more, and a result of such numbers is JSON that fits into a `Text`.
const NUMBER_MAX: f64 = 1e12;

#[unsafe(no_mangle)]
pub extern "C" fn edgeboot_abi_version() -> i32 {
    1
}

/// The buffer, or null when an event is larger.
#[unsafe(no_mangle)]
pub extern "C" fn edgeboot_alloc(size: usize) -> *mut u8 {
    if size > INPUT_BYTES { core::ptr::null_mut() } else { (&raw mut INPUT).cast() }
}

/// `{"rule": …, "model": …, "params": {"tolerance": 0.5}}`, once, before the first event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn edgeboot_init(start: *const u8, length: usize) {
    if let Some(tolerance) = unsafe { number(start, length, "\"tolerance\"") } {
        unsafe { TOLERANCE = tolerance };
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn edgeboot_handle(
    event: *const u8,
    event_length: usize,
    _context: *const u8,
    _context_length: usize,
) {
    let temperature = unsafe { number(event, event_length, "\"temperature\"") };
    let pressure = unsafe { number(event, event_length, "\"pressure\"") };
    let mut text = Text::new();
    match (temperature, pressure) {
        (Some(temperature), Some(pressure)) => {
            let expected = PRESSURE_AT_ZERO + PRESSURE_PER_DEGREE * temperature;
            let residual = pressure - expected;
            if residual.abs() <= unsafe { TOLERANCE } {
                return;
            }
            let _ = write!(text, "{{\"expected\":{expected:.3},\"residual\":{residual:.3}}}");
            unsafe { result(text.bytes.as_ptr(), text.length) }
        }
        _ => {
            let _ = write!(text, "an event needs the numbers temperature and pressure");
            unsafe { error(text.bytes.as_ptr(), text.length) }
        }
    }
}

/// The number after a key. Good enough for events of one level, and no more than that.
unsafe fn number(pointer: *const u8, length: usize, key: &str) -> Option<f64> {
    let bytes = unsafe { core::slice::from_raw_parts(pointer, length) };
    let text = core::str::from_utf8(bytes).ok()?;
    let (_, rest) = text.split_once(key)?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    let end = value.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+' | 'e' | 'E'));
    let number: f64 = value[..end.unwrap_or(value.len())].parse().ok()?;
    if number.abs() <= NUMBER_MAX { Some(number) } else { None }
}

/// A short text without an allocator. What does not fit is left out.
struct Text {
    bytes: [u8; 128],
    length: usize,
}

impl Text {
    fn new() -> Self {
        Text { bytes: [0; 128], length: 0 }
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for byte in part.bytes().take(self.bytes.len() - self.length) {
            self.bytes[self.length] = byte;
            self.length += 1;
        }
        Ok(())
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
