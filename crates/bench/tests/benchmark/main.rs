//! Parts of the benchmark. One test binary, so that its tests wait side by side; `quick` measures, so it runs alone.

mod fill;
mod peers;
