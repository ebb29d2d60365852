//! The services of gRPC by their paths.

use super::caller::Caller;
use super::csr::{self, CREATE_CERTIFICATE, IstioCertificateRequest, IstioCertificateResponse};
use super::shared::Shared;
use super::xds::{self, Boxed, Delta, Scope, StateOfTheWorld, Wire};
use mesh_envoy::api::discovery::{DELTA_AGGREGATED, DELTA_SECRETS, STREAM_AGGREGATED, STREAM_SECRETS};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::codegen::Service;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

/// A request is no longer than that: names of subscriptions and a certificate request.
const LONGEST: usize = 8 * 1024 * 1024;

struct Discovery<W> {
    shared: Arc<Shared>,
    caller: Caller,
    scope: Scope,
    wire: PhantomData<W>,
}

impl<W: Wire> Service<Request<Streaming<W::Request>>> for Discovery<W> {
    type Response = Response<Boxed<W>>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: Request<Streaming<W::Request>>) -> Self::Future {
        ready(Ok(Response::new(xds::open::<W>(Arc::clone(&self.shared), self.caller.clone(), self.scope, request.into_inner()))))
    }
}

struct Certificates {
    shared: Arc<Shared>,
    caller: Caller,
}

impl Service<Request<IstioCertificateRequest>> for Certificates {
    type Response = Response<IstioCertificateResponse>;
    type Error = Status;
    type Future = Ready<Result<Self::Response, Status>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, request: Request<IstioCertificateRequest>) -> Self::Future {
        ready(csr::create(&self.shared, &self.caller, request.get_ref()).map(Response::new))
    }
}

/// Answers one call.
pub async fn serve(
    shared: Arc<Shared>,
    caller: Caller,
    request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        STREAM_AGGREGATED => stream::<StateOfTheWorld>(shared, caller, Scope::Aggregated, request).await,
        DELTA_AGGREGATED => stream::<Delta>(shared, caller, Scope::Aggregated, request).await,
        STREAM_SECRETS => stream::<StateOfTheWorld>(shared, caller, Scope::Secrets, request).await,
        DELTA_SECRETS => stream::<Delta>(shared, caller, Scope::Secrets, request).await,
        CREATE_CERTIFICATE => {
            let codec = ProstCodec::<IstioCertificateResponse, IstioCertificateRequest>::default();
            tonic::server::Grpc::new(codec).max_decoding_message_size(LONGEST).unary(Certificates { shared, caller }, request).await
        }
        other => Status::unimplemented(format!("{other} is not served: aggregated discovery, secret discovery and the certificate service are")).into_http(),
    })
}

async fn stream<W: Wire>(
    shared: Arc<Shared>,
    caller: Caller,
    scope: Scope,
    request: http::Request<hyper::body::Incoming>,
) -> http::Response<tonic::body::Body> {
    let codec = ProstCodec::<W::Response, W::Request>::default();
    let service = Discovery::<W> { shared, caller, scope, wire: PhantomData };
    tonic::server::Grpc::new(codec).max_decoding_message_size(LONGEST).streaming(service, request).await
}
