//! A proxy in this process: a stream of xDS by tonic's client.

use super::Plane;
use futures_util::stream::unfold;
use mesh_controlplane::resource::Type;
use mesh_controlplane::serve::csr::{CREATE_CERTIFICATE, IstioCertificateRequest, IstioCertificateResponse};
use mesh_envoy::api::discovery::{DiscoveryRequest, DiscoveryResponse, Node, STREAM_AGGREGATED, Status as Reason};
use mesh_envoy::api::{Struct, Value};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tonic::client::Grpc;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};
use tonic_prost::ProstCodec;

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub async fn channel(at: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{at}")).expect("an address").connect().await.expect("a connection")
}

/// TLS with the root of the mesh, and a certificate and key where there is one.
pub async fn tls(at: SocketAddr, root: &str, own: Option<(&str, &str)>) -> Result<Channel, tonic::transport::Error> {
    let mut roots = RootCertStore::empty();
    for c in CertificateDer::pem_slice_iter(root.as_bytes()).flatten() {
        roots.add(c).expect("a root");
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).flatten().collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key")).expect("a certificate")
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Endpoint::from_static("http://istiod.istio-system.svc").connect_with_connector(Connector(at, TlsConnector::from(Arc::new(config)))).await
}

#[derive(Clone)]
struct Connector(SocketAddr, TlsConnector);

type Io = hyper_util::rt::TokioIo<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>;

impl Service<http::Uri> for Connector {
    type Response = Io;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Io, std::io::Error>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, _: http::Uri) -> Self::Future {
        let Connector(at, connector) = self.clone();
        Box::pin(async move {
            let socket = tokio::net::TcpStream::connect(at).await?;
            let name = ServerName::try_from("istiod.istio-system.svc").map_err(std::io::Error::other)?;
            Ok(hyper_util::rt::TokioIo::new(connector.connect(name, socket).await?))
        })
    }
}

pub fn node(name: &str, namespace: &str, account: &str) -> Node {
    let labels: Struct = [("app", "page"), ("version", "v1")].into_iter().collect();
    let metadata: Struct =
        [("NAMESPACE", Value::from(namespace)), ("SERVICE_ACCOUNT", Value::from(account)), ("LABELS", Value::from(labels))].into_iter().collect();
    Node { id: format!("sidecar~10.9.9.9~{name}.{namespace}~{namespace}.svc.cluster.local"), metadata: Some(metadata), ..Node::default() }
}

pub struct Stream {
    pub to: mpsc::Sender<DiscoveryRequest>,
    pub from: Streaming<DiscoveryResponse>,
}

fn authorized<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    }
    request
}

impl Stream {
    pub async fn open(channel: Channel, token: Option<&str>) -> Result<Stream, Status> {
        let mut grpc = Grpc::new(channel);
        grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
        let (to, from) = mpsc::channel(64);
        let requests = unfold(from, |mut from: mpsc::Receiver<DiscoveryRequest>| async move { from.recv().await.map(|r| (r, from)) });
        let codec = ProstCodec::<DiscoveryRequest, DiscoveryResponse>::default();
        let answer = grpc.streaming(authorized(requests, token), http::uri::PathAndQuery::from_static(STREAM_AGGREGATED), codec).await?;
        Ok(Stream { to, from: answer.into_inner() })
    }
    pub async fn ask(&self, node: Option<Node>, kind: Type, names: &[&str]) {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        let _ = self.to.send(DiscoveryRequest { node, type_url: kind.url().into(), resource_names: names, ..DiscoveryRequest::default() }).await;
    }
    /// Confirms an answer, or refuses it with a reason.
    pub async fn confirm(&self, answer: &DiscoveryResponse, names: &[&str], why_not: Option<&str>) {
        let error_detail = why_not.map(|m| Reason { code: 13, message: m.to_owned(), ..Reason::default() });
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        let request = DiscoveryRequest {
            version_info: answer.version_info.clone(),
            resource_names: names,
            type_url: answer.type_url.clone(),
            response_nonce: answer.nonce.clone(),
            error_detail,
            ..DiscoveryRequest::default()
        };
        let _ = self.to.send(request).await;
    }
    pub async fn answer(&mut self) -> Result<DiscoveryResponse, Status> {
        let next = tokio::time::timeout(std::time::Duration::from_secs(30), self.from.message()).await;
        next.map_err(|_| Status::deadline_exceeded("no answer came"))??.ok_or_else(|| Status::aborted("the stream ended"))
    }
}

pub async fn certificate(channel: Channel, token: Option<&str>, csr: &str) -> Result<Vec<String>, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
    let codec = ProstCodec::<IstioCertificateRequest, IstioCertificateResponse>::default();
    let request = IstioCertificateRequest { csr: csr.to_owned(), validity_duration: 3600, metadata: None };
    let answer = grpc.unary(authorized(request, token), http::uri::PathAndQuery::from_static(CREATE_CERTIFICATE), codec).await?;
    Ok(answer.into_inner().cert_chain)
}

impl Plane {
    pub async fn channel(&self) -> Channel {
        channel(self.running.xds).await
    }
}
