//! The tracers, by geth's names and with geth's options.

use alloy_rpc_types_trace::geth::{
    CallConfig, FlatCallConfig, GethDefaultTracingOptions, GethTrace, PreStateConfig,
};
use block_stm_evm::revm::{
    DatabaseRef,
    context::{TxEnv, result::ResultAndState},
};
use revm_inspectors::tracing::{
    DebugInspector, DebugInspectorError, FourByteInspector, TracingInspector,
    TracingInspectorConfig,
};

use crate::{
    TracedBlock, TracerError, TxnTrace,
    options::{NoOptions, parse},
};

/// Which tracer, with its options.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Tracer {
    /// `callTracer`: the tree of calls.
    Call(CallConfig),
    /// `prestateTracer`: the accounts that a transaction looks at as they are before it, or what it
    /// changes.
    PreState(PreStateConfig),
    /// `4byteTracer`: the selectors that are called, with the size of the arguments.
    FourByte,
    /// `flatCallTracer`: the calls one by one, as parity has them. Its errors are in parity's
    /// words.
    FlatCall(FlatCallConfig),
    /// `structLogger`, geth's default: every step, with stack, memory and storage.
    StructLog(GethDefaultTracingOptions),
}

impl Tracer {
    /// The names that [`parse`](Self::parse) knows.
    pub const NAMES: [&'static str; 5] =
        ["callTracer", "prestateTracer", "4byteTracer", "flatCallTracer", "structLogger"];

    /// The tracer with a name, and with options as a JSON object: geth's `tracerConfig`, and for
    /// `structLogger` what geth takes beside it. An empty name stands for `structLogger`, no
    /// options or `null` for the defaults.
    ///
    /// # Errors
    ///
    /// There is no such tracer, it has no such option, or an option can't be honoured.
    ///
    /// # Examples
    ///
    /// ```
    /// use block_stm_trace::Tracer;
    ///
    /// assert!(Tracer::parse("prestateTracer", Some(r#"{"diffMode": true}"#)).is_ok());
    /// let error = Tracer::parse("4byteTracer", Some(r#"{"diffMode": true}"#)).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "options of 4byteTracer: unknown option \"diffMode\"; known are none"
    /// );
    /// ```
    pub fn parse(name: &str, options: Option<&str>) -> Result<Self, TracerError> {
        let [call, pre_state, four_byte, flat_call, struct_log] = Self::NAMES;
        Ok(match name {
            _ if name == call => Self::Call(parse(call, options, &["onlyTopCall", "withLog"])?),
            _ if name == pre_state => {
                let known = ["diffMode", "disableCode", "disableStorage"];
                Self::PreState(parse(pre_state, options, &known)?)
            }
            _ if name == four_byte => {
                let NoOptions {} = parse(four_byte, options, &[])?;
                Self::FourByte
            }
            _ if name == flat_call => {
                let known = ["convertParityErrors", "includePrecompiles"];
                let options: FlatCallConfig = parse(flat_call, options, &known)?;
                if options.convert_parity_errors == Some(false) {
                    let message =
                        "convertParityErrors can't be false: errors are in parity's words"
                            .to_owned();
                    return Err(TracerError::Options { tracer: flat_call, message });
                }
                Self::FlatCall(options)
            }
            _ if name == struct_log || name.is_empty() => {
                let known = [
                    "disableStack",
                    "disableStorage",
                    "enableMemory",
                    "disableMemory",
                    "enableReturnData",
                    "disableReturnData",
                    "limit",
                ];
                Self::StructLog(parse(struct_log, options, &known)?)
            }
            _ => return Err(TracerError::Unknown { name: name.to_owned() }),
        })
    }

    /// The tracer's name.
    pub fn name(&self) -> &'static str {
        let [call, pre_state, four_byte, flat_call, struct_log] = Self::NAMES;
        match self {
            Self::Call(_) => call,
            Self::PreState(_) => pre_state,
            Self::FourByte => four_byte,
            Self::FlatCall(_) => flat_call,
            Self::StructLog(_) => struct_log,
        }
    }

    /// An inspector for one transaction.
    pub(crate) fn inspector(&self) -> DebugInspector {
        use TracingInspectorConfig as Records;
        match *self {
            Self::Call(options) => {
                let records = Records::from_geth_call_config(&options);
                DebugInspector::CallTracer(TracingInspector::new(records), options)
            }
            Self::PreState(options) => {
                let records = Records::from_geth_prestate_config(&options);
                DebugInspector::PreStateTracer(TracingInspector::new(records), options)
            }
            Self::FourByte => DebugInspector::FourByte(FourByteInspector::default()),
            Self::FlatCall(options) => {
                let records = Records::from_flat_call_config(&options);
                DebugInspector::FlatCallTracer(TracingInspector::new(records))
            }
            Self::StructLog(options) => {
                let records = Records::from_geth_config(&options);
                DebugInspector::Default(TracingInspector::new(records), options)
            }
        }
    }
}

/// What the inspector of a transaction says in the end. `before` is the state before it.
pub(crate) fn finish<DB: DatabaseRef>(
    traced: &TracedBlock<'_>,
    (index, txn): (usize, &TxEnv),
    inspector: &mut DebugInspector,
    result: &ResultAndState,
    before: &mut DB,
) -> Result<TxnTrace, DB::Error> {
    let context = traced.txn(index);
    let txn_hash = context.tx_hash;
    match inspector.get_result(Some(context), txn, &traced.block.env, result, before) {
        Ok(mut trace) => {
            without_lost_logs(&mut trace);
            Ok(TxnTrace { index, txn_hash, trace })
        }
        Err(DebugInspectorError::Database(error)) => Err(error),
        Err(_) => unreachable!("the others are those of tracers that are not here"),
    }
}

/// What a failed transaction has logged is gone, as in geth's traces. The inspector leaves out that
/// of inner calls alone.
fn without_lost_logs(trace: &mut GethTrace) {
    if let GethTrace::CallTracer(call) = trace
        && call.error.is_some()
    {
        call.logs.clear();
    }
}
