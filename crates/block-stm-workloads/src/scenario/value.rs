//! Values: constants, references and draws, evaluated anew for each transaction.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, I256, U256};
use serde_json::Value;

use super::{
    error::{Result, ScenarioError},
    stage::Stage,
};
use crate::zipf::Zipf;

/// What is known of a value before it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Number,
    Bool,
    /// An address that can send transactions.
    Account,
    /// The address of one of these contracts.
    Contract(usize),
    Address,
    /// A constant or a list, of exactly this type.
    Typed(DynSolType),
}

/// What makes a value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Constant(DynSolValue),
    Variable(usize),
    Named(usize),
    /// An instance of a contract.
    Contract {
        contract: usize,
        instance: Instance,
    },
    Sender,
    Receiver {
        other: Box<Node>,
    },
    Uniform {
        low: U256,
        high: U256,
    },
    Zipf {
        count: u32,
        law: Option<Zipf>,
    },
    Pick {
        choices: Vec<(u64, usize)>,
        values: Vec<Node>,
    },
    Chance {
        per_mille: u64,
    },
    Counter {
        counter: usize,
        step: U256,
    },
    If {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
    Arithmetic {
        operation: Operation,
        left: Box<Node>,
        right: Box<Node>,
    },
    List {
        of: DynSolType,
        values: Vec<Node>,
    },
    /// The value as this type.
    As(Box<Node>, DynSolType),
}

/// Which of several contracts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instance {
    Number(u32),
    /// The one with the number of the contract whose storage is written.
    Same,
    Drawn,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}
/// A number that is not drawn.
pub(super) fn fixed(json: &Value, place: &str) -> Result<U256> {
    let value = constant(json, &DynSolType::Uint(256));
    match value.map_err(|message| ScenarioError::new(place, message))? {
        DynSolValue::Uint(number, _) => Ok(number),
        _ => unreachable!("a number was asked for"),
    }
}

/// Whether such a value may stand where `want` is wanted.
pub(super) fn fits(kind: &Kind, want: &DynSolType) -> Result<(), String> {
    let (fits, name) = match (kind, want) {
        (Kind::Number, want) => {
            (matches!(want, DynSolType::Uint(_) | DynSolType::Int(_)), "a number".to_owned())
        }
        (Kind::Bool, want) => (*want == DynSolType::Bool, "true or false".to_owned()),
        (Kind::Account | Kind::Contract(_) | Kind::Address, want) => {
            (*want == DynSolType::Address, "an address".to_owned())
        }
        (Kind::Typed(kind), want) => (kind == want, kind.sol_type_name().into_owned()),
    };
    match fits {
        true => Ok(()),
        false => Err(format!("{name} is no {}", want.sol_type_name())),
    }
}

/// A constant of the type `want`.
pub(super) fn constant(json: &Value, want: &DynSolType) -> Result<DynSolValue, String> {
    let text = match (json, want) {
        (Value::Number(number), _) if number.is_f64() => {
            return Err(format!(
                "{number} is no whole number, or a large one, which is written as a string"
            ));
        }
        (Value::Number(number), _) => number.to_string(),
        (Value::Bool(value), _) => value.to_string(),
        (Value::String(text), DynSolType::String) => {
            let text = text.strip_prefix('$').unwrap_or(text);
            return Ok(DynSolValue::String(text.to_owned()));
        }
        (Value::String(text), DynSolType::Uint(bits)) if text == "max" => {
            return Ok(DynSolValue::Uint(U256::MAX >> (256 - bits), *bits));
        }
        (Value::String(text), _) => text.clone(),
        _ => return Err(format!("{json} is no {}", want.sol_type_name())),
    };
    let quoted = matches!(json, Value::String(_)) && *want == DynSolType::Bool;
    let value = (!quoted).then(|| want.coerce_str(&text).ok()).flatten();
    value.ok_or_else(|| format!("{json} is no {}", want.sol_type_name()))
}

/// A constant that says itself what it is.
pub(super) fn untyped(json: &Value) -> Result<DynSolValue, String> {
    let address = || json.as_str()?.parse::<Address>().ok().map(DynSolValue::Address);
    match json {
        Value::Bool(value) => Ok(DynSolValue::Bool(*value)),
        _ => match address() {
            Some(address) => Ok(address),
            None => constant(json, &DynSolType::Uint(256)).map_err(|message| match json {
                Value::Number(_) => message,
                _ => format!("{json} is neither a number, nor an address, nor true or false"),
            }),
        },
    }
}
impl Node {
    /// The value, drawn anew.
    pub(super) fn eval(&self, stage: &mut Stage<'_>) -> Result<DynSolValue, String> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Variable(place) => stage.drawn[*place].clone(),
            Self::Named(place) => DynSolValue::Address(stage.named[*place]),
            Self::Contract { contract, instance } => {
                DynSolValue::Address(stage.contract(*contract, *instance)?)
            }
            Self::Sender => DynSolValue::Address(stage.sender()),
            Self::Receiver { other } => {
                let other = other.eval(stage)?;
                let other = other.as_address().ok_or("no account")?;
                DynSolValue::Address(stage.receiver(other))
            }
            Self::Uniform { low, high } => number(stage.draw.within_wide(*low, *high)),
            Self::Zipf { count, law } => number(U256::from(stage.draw.place(*count, law.as_ref()))),
            Self::Pick { choices, values } => values[stage.draw.choose(choices)].eval(stage)?,
            Self::Chance { per_mille } => DynSolValue::Bool(stage.draw.chance(*per_mille)),
            Self::Counter { counter, step } => {
                let value = stage.counters[*counter];
                stage.counters[*counter] = value.wrapping_add(*step);
                number(value)
            }
            Self::If { condition, then, otherwise } => match condition.eval(stage)? {
                DynSolValue::Bool(true) => then.eval(stage)?,
                _ => otherwise.eval(stage)?,
            },
            Self::Arithmetic { operation, left, right } => {
                let (left, right) = (left.eval(stage)?, right.eval(stage)?);
                number(operation.apply(word(&left), word(&right))?)
            }
            Self::List { of, values } => {
                let values =
                    values.iter().map(|value| value.eval(stage)).collect::<Result<_, _>>()?;
                match of {
                    DynSolType::Tuple(_) => DynSolValue::Tuple(values),
                    DynSolType::FixedArray(..) => DynSolValue::FixedArray(values),
                    _ => DynSolValue::Array(values),
                }
            }
            Self::As(node, want) => cast(node.eval(stage)?, want)?,
        })
    }
}

fn number(number: U256) -> DynSolValue {
    DynSolValue::Uint(number, 256)
}

/// The value's word as a number.
pub(super) fn word(value: &DynSolValue) -> U256 {
    value.as_word().unwrap_or_default().into()
}

/// The value as the type `want`, of which it is known to be but for its size.
fn cast(value: DynSolValue, want: &DynSolType) -> Result<DynSolValue, String> {
    match (value, want) {
        (DynSolValue::Uint(number, _), DynSolType::Uint(bits)) => match number.bit_len() > *bits {
            true => Err(format!("{number} does not fit uint{bits}")),
            false => Ok(DynSolValue::Uint(number, *bits)),
        },
        (DynSolValue::Uint(number, _), DynSolType::Int(bits)) => match number.bit_len() >= *bits {
            true => Err(format!("{number} does not fit int{bits}")),
            false => Ok(DynSolValue::Int(I256::from_raw(number), *bits)),
        },
        (value, _) => Ok(value),
    }
}

impl Operation {
    fn apply(self, left: U256, right: U256) -> Result<U256, String> {
        let (result, sign) = match self {
            Self::Add => (left.checked_add(right), "+"),
            Self::Subtract => (left.checked_sub(right), "-"),
            Self::Multiply => (left.checked_mul(right), "*"),
            Self::Divide => (left.checked_div(right), "/"),
        };
        result.ok_or_else(|| format!("{left} {sign} {right} is no number of 256 bits"))
    }
}
