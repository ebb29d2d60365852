//! Which picture of a graph is readable in a window.

