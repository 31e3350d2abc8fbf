//! Binds Pods to Nodes.
