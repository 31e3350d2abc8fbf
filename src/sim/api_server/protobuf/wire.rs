//! The wire format: numbered fields, one after the other.

use super::broken;
use crate::sim::api_server::status::Result;

/// A field as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw<'a> {
    /// A whole number or a boolean.
    Whole(u64),
    /// A number of 8 bytes.
    Long(u64),
    /// A number of 4 bytes.
    Short(u32),
    /// Text, bytes or a message.
    Bytes(&'a [u8]),
}

impl<'a> Raw<'a> {
    pub(super) fn bytes(self) -> Result<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(broken("a number stands for a text")) }
    }

    pub(super) fn whole(self) -> Result<u64> {
        if let Self::Whole(number) = self { Ok(number) } else { Err(broken("a text stands for a number")) }
    }

    pub(super) fn real(self) -> Result<f64> {
        match self {
            Self::Long(bits) => Ok(f64::from_bits(bits)),
            Self::Short(bits) => Ok(f32::from_bits(bits).into()),
            _ => Err(broken("a text stands for a number")),
        }
    }
}

/// The fields of a message, as they come.
pub(super) struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// A number of one to ten bytes, seven bits each, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u32, Raw<'a>)> {
        let key = self.varint()?;
        let raw = match key & 7 {
            0 => Raw::Whole(self.varint()?),
            1 => Raw::Long(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Raw::Bytes(self.take(length)?)
            }
            5 => Raw::Short(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((u32::try_from(key >> 3).ok()?, raw))
    }
}

impl<'a> Iterator for Wire<'a> {
    type Item = Result<(u32, Raw<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| broken("it ends too early")))
    }
}
