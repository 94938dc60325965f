//! Settings of the deployed stack that the programs need.

use std::time::Duration;

/// Defaults of `BatchingWindow`, `FunctionMemory` and `Architecture` in `infra/template.yaml`, for a deployment that recorded
/// no values.
const BATCHING_WINDOW: Duration = Duration::from_secs(1);
const FUNCTION_MEMORY_MB: u16 = 256;
const ARCHITECTURE: Architecture = Architecture::Arm64;

/// The longest batching window, seconds, and the range of a function's memory, MB (AWS Lambda Developer Guide, "Lambda
/// parameters for Amazon DynamoDB event source mappings" and "Configure Lambda function memory").
const MAX_WINDOW_SECONDS: u64 = 300;
const MEMORY_RANGE_MB: std::ops::RangeInclusive<u16> = 128..=10_240;

/// How long the tallies may lag behind the table, beside the batching window: the stream, the invocation and the write.
const PROCESSING_LAG: Duration = Duration::from_secs(10);

/// The instruction set of the function, on which its price depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Architecture {
    /// 64-bit ARM.
    #[default]
    Arm64,
    /// 64-bit x86.
    X86_64,
}

/// The settings that the deployment recorded. Each one that is absent has the value of the stack's template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deployment {
    batching_window: Option<Duration>,
    function_memory_mb: Option<u16>,
    architecture: Option<Architecture>,
}

impl Deployment {
    /// Takes the recorded settings: the batching window in seconds, the memory of the function in MB, and its architecture
    /// as Lambda names it. A value outside its range counts as absent.
    pub fn new(window_seconds: Option<u64>, memory_mb: Option<u64>, architecture: Option<&str>) -> Self {
        let window = window_seconds.filter(|seconds| *seconds <= MAX_WINDOW_SECONDS);
        let memory = memory_mb.and_then(|memory| u16::try_from(memory).ok());
        Self {
            batching_window: window.map(Duration::from_secs),
            function_memory_mb: memory.filter(|memory| MEMORY_RANGE_MB.contains(memory)),
            architecture: match architecture {
                Some("arm64") => Some(Architecture::Arm64),
                Some("x86_64") => Some(Architecture::X86_64),
                _ => None,
            },
        }
    }

    /// Whether every setting was recorded.
    pub fn is_recorded(&self) -> bool {
        self.batching_window.is_some() && self.function_memory_mb.is_some() && self.architecture.is_some()
    }

    /// How long Lambda gathers the records of a shard before it invokes the function.
    pub fn batching_window(&self) -> Duration {
        self.batching_window.unwrap_or(BATCHING_WINDOW)
    }

    /// The memory of the function, MB.
    pub fn function_memory_mb(&self) -> u16 {
        self.function_memory_mb.unwrap_or(FUNCTION_MEMORY_MB)
    }

    /// The architecture of the function.
    pub fn architecture(&self) -> Architecture {
        self.architecture.unwrap_or(ARCHITECTURE)
    }

    /// How long the tallies of a working stream may lag behind the table.
    pub fn stream_lag(&self) -> Duration {
        self.batching_window() + PROCESSING_LAG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_settings_replace_the_defaults_of_the_template() {
        let none = Deployment::default();
        assert_eq!((none.batching_window(), none.function_memory_mb()), (Duration::from_secs(1), 256));
        assert_eq!((none.architecture(), none.is_recorded()), (Architecture::Arm64, false));
        let all = Deployment::new(Some(300), Some(1_024), Some("x86_64"));
        assert_eq!((all.batching_window(), all.function_memory_mb()), (Duration::from_secs(300), 1_024));
        assert_eq!((all.architecture(), all.is_recorded()), (Architecture::X86_64, true));
        assert_eq!(all.stream_lag(), Duration::from_secs(310));
    }

    #[test]
    fn a_setting_outside_its_range_counts_as_absent() {
        for (window, memory, architecture) in
            [(301, 127, "ARM64"), (u64::MAX, 10_241, ""), (301, 65_664, "x86")]
        {
            let odd = Deployment::new(Some(window), Some(memory), Some(architecture));
            assert_eq!(odd, Deployment::default());
        }
        let some = Deployment::new(Some(0), Some(128), None);
        assert_eq!((some.batching_window(), some.function_memory_mb()), (Duration::ZERO, 128));
        assert!(!some.is_recorded());
    }
}
