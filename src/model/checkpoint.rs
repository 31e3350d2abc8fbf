//! A model as text, so that it outlives the process: nothing is lost, and nothing but a whole and sound model is read.
//!
//! postcard of the model as it is, with a checksum, in base64: the widest model makes about 1 KiB. What can be read may
//! still be nonsense (somebody else wrote it, or with a clock that is wrong), and a model from the future would take all
//! that follows for old; so each part says whether samples can have made it.

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use flate2::Crc;
use jiff::Timestamp;

use super::{ContainerModel, covered::LONGEST_STEP};

/// The version of what [`encode`] makes. Another one may mean something else by the same bytes.
pub const VERSION: u32 = 1;

/// The longest text that [`decode`] looks at, in bytes: twice the longest that [`encode`] makes.
pub const LONGEST: usize = 2_048;

/// Why a text is no model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is too long, is no base64, or lacks its end.
    #[error("it is not whole")]
    Cut,
    /// Its checksum is that of something else.
    #[error("its checksum does not fit")]
    Damaged,
    /// Its bytes are of another shape.
    #[error("it is no model")]
    Malformed,
    /// No samples up to now can have made it.
    #[error("no samples up to now can have made it")]
    Unsound,
}

/// The model as text: the same one for the same model.
pub fn encode(model: &ContainerModel) -> String {
    let mut bytes = postcard::to_stdvec(model).expect("a model is of numbers and lists alone");
    bytes.extend(checksum(&bytes).to_le_bytes());
    STANDARD_NO_PAD.encode(bytes)
}

/// The model that [`encode`] made the text of, at `now` or before.
///
/// # Errors
/// It is none.
pub fn decode(text: &str, now: Timestamp) -> Result<ContainerModel, Error> {
    if text.len() > LONGEST {
        return Err(Error::Cut);
    }
    let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| Error::Cut)?;
    let (model, sum) = bytes.split_last_chunk().ok_or(Error::Cut)?;
    if checksum(model) != u32::from_le_bytes(*sum) {
        return Err(Error::Damaged);
    }
    let (model, rest) = postcard::take_from_bytes::<ContainerModel>(model).map_err(|_| Error::Malformed)?;
    // The clock of the machine that wrote it may have been a little ahead.
    let latest = now.saturating_add(LONGEST_STEP).unwrap_or(Timestamp::MAX);
    match rest.is_empty() {
        false => Err(Error::Malformed),
        true if model.is_sound(latest) => Ok(model),
        true => Err(Error::Unsound),
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum.sum()
}

#[cfg(test)]
mod tests;
