//! What is part of the binary: scenarios and the recorded traces (see `traces/README.md` for their licences).

/// The scenario that `tailor simulate` runs when it is given none.
pub const DEFAULT_SCENARIO: &str = include_str!("../../../scenarios/default.yaml");

/// Scenarios by their names.
pub const BUNDLED_SCENARIOS: [(&str, &str); 2] =
    [("default", DEFAULT_SCENARIO), ("playground", include_str!("../../../scenarios/playground.yaml"))];

/// Traces by the name that `trace.bundled` gives them.
pub const BUNDLED_TRACES: [(&str, &[u8]); 5] = [
    ("crane", include_bytes!("../../../traces/crane-cpu-16d.csv.gz")),
    ("ec2", include_bytes!("../../../traces/ec2-cpu.csv.gz")),
    ("online-boutique", include_bytes!("../../../traces/online-boutique-pods.csv.gz")),
    ("opendc", include_bytes!("../../../traces/opendc-vm-30d.csv.gz")),
    ("train-ticket", include_bytes!("../../../traces/train-ticket-pods.csv.gz")),
];
