//! `meshctl test`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  meshctl test mesh-tests.yaml                    from the sources that the file names
  meshctl test mesh-tests.yaml --from bugreport.tar.gz
  meshctl test mesh-tests.yaml --from k8s/        before it is applied
  meshctl test *.yaml -o junit --out report.xml

A test says who calls what, and what must come of it:
  tests:
  - name: jason is sent to version 2
    caller: productpage
    request: GET http://reviews:9080/reviews/0
    headers: {end-user: jason}
    expect: {service: reviews, subset: v2}

Exit status: 0 all hold · 79 one does not · 65 a file or test can't be read · 75 not all could be judged · 64 usage";

#[derive(Args, Debug)]
pub struct TestArgs {
    /// Files of tests
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// What is asked instead of the sources that the files name: dumps of proxies, or the manifests of the whole mesh; repeatable
    #[arg(short = 'f', long = "from", value_name = "SRC")]
    pub from: Vec<String>,
    /// The mesh's settings, beside manifests
    #[arg(long = "meshConfigFile", value_name = "FILE")]
    pub mesh_config_file: Option<PathBuf>,
    /// text, json or junit
    #[arg(short, long, default_value = "text")]
    pub output: TestFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    Text,
    Json,
    Junit,
}
