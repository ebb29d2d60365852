//! The kinds of objects that meshctl knows.

/// Whether objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Namespaced,
    Cluster,
}

const NO_GROUP: [&str; 0] = [];

macro_rules! kinds {
    ($($variant:ident $name:literal $groups:expr, $scope:ident;)*) => {
        /// A known kind; everything else is `Other` and never judged.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kind { $($variant,)* Other }

        /// Every known kind.
        pub const KINDS: &[Kind] = &[$(Kind::$variant,)*];

        impl Kind {
            /// The kind of an API group and kind name; `Other` when unknown.
            pub fn find(group: &str, name: &str) -> Kind {
                $(if name == $name && $groups.contains(&group) { return Kind::$variant; })*
                Kind::Other
            }
            /// The kind as written in manifests. The Gateway API's Gateway is `Gateway` too.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$variant => $name,)* Kind::Other => "" }
            }
            pub fn scope(self) -> Scope {
                match self { $(Kind::$variant => Scope::$scope,)* Kind::Other => Scope::Namespaced }
            }
            /// API groups, the current one first.
            pub fn groups(self) -> &'static [&'static str] {
                match self { $(Kind::$variant => &$groups,)* Kind::Other => &[] }
            }
        }
    };
}

kinds! {
    VirtualService "VirtualService" ["networking.istio.io"], Namespaced;
    DestinationRule "DestinationRule" ["networking.istio.io"], Namespaced;
    Gateway "Gateway" ["networking.istio.io"], Namespaced;
    ServiceEntry "ServiceEntry" ["networking.istio.io"], Namespaced;
    WorkloadEntry "WorkloadEntry" ["networking.istio.io"], Namespaced;
    WorkloadGroup "WorkloadGroup" ["networking.istio.io"], Namespaced;
    Sidecar "Sidecar" ["networking.istio.io"], Namespaced;
    EnvoyFilter "EnvoyFilter" ["networking.istio.io"], Namespaced;
    ProxyConfig "ProxyConfig" ["networking.istio.io"], Namespaced;
    WasmPlugin "WasmPlugin" ["extensions.istio.io"], Namespaced;
    TrafficExtension "TrafficExtension" ["extensions.istio.io"], Namespaced;
    Telemetry "Telemetry" ["telemetry.istio.io"], Namespaced;
    AuthorizationPolicy "AuthorizationPolicy" ["security.istio.io"], Namespaced;
    PeerAuthentication "PeerAuthentication" ["security.istio.io"], Namespaced;
    RequestAuthentication "RequestAuthentication" ["security.istio.io"], Namespaced;
    K8sGateway "Gateway" ["gateway.networking.k8s.io"], Namespaced;
    GatewayClass "GatewayClass" ["gateway.networking.k8s.io"], Cluster;
    HttpRoute "HTTPRoute" ["gateway.networking.k8s.io"], Namespaced;
    GrpcRoute "GRPCRoute" ["gateway.networking.k8s.io"], Namespaced;
    TcpRoute "TCPRoute" ["gateway.networking.k8s.io"], Namespaced;
    TlsRoute "TLSRoute" ["gateway.networking.k8s.io"], Namespaced;
    UdpRoute "UDPRoute" ["gateway.networking.k8s.io"], Namespaced;
    ReferenceGrant "ReferenceGrant" ["gateway.networking.k8s.io"], Namespaced;
    BackendTlsPolicy "BackendTLSPolicy" ["gateway.networking.k8s.io"], Namespaced;
    ListenerSet "ListenerSet" ["gateway.networking.k8s.io"], Namespaced;
    XListenerSet "XListenerSet" ["gateway.networking.x-k8s.io"], Namespaced;
    XBackendTrafficPolicy "XBackendTrafficPolicy" ["gateway.networking.x-k8s.io"], Namespaced;
    XMesh "XMesh" ["gateway.networking.x-k8s.io"], Cluster;
    InferencePool "InferencePool" ["inference.networking.k8s.io", "inference.networking.x-k8s.io"], Namespaced;
    Service "Service" [""], Namespaced;
    Pod "Pod" [""], Namespaced;
    Namespace "Namespace" [""], Cluster;
    Node "Node" [""], Cluster;
    Secret "Secret" [""], Namespaced;
    ConfigMap "ConfigMap" [""], Namespaced;
    ServiceAccount "ServiceAccount" [""], Namespaced;
    Endpoints "Endpoints" [""], Namespaced;
    ReplicationController "ReplicationController" [""], Namespaced;
    EndpointSlice "EndpointSlice" ["discovery.k8s.io"], Namespaced;
    Deployment "Deployment" ["apps", "extensions"], Namespaced;
    StatefulSet "StatefulSet" ["apps"], Namespaced;
    DaemonSet "DaemonSet" ["apps", "extensions"], Namespaced;
    ReplicaSet "ReplicaSet" ["apps", "extensions"], Namespaced;
    Job "Job" ["batch"], Namespaced;
    CronJob "CronJob" ["batch"], Namespaced;
    Rollout "Rollout" ["argoproj.io"], Namespaced;
    Ingress "Ingress" ["networking.k8s.io", "extensions"], Namespaced;
    IngressClass "IngressClass" ["networking.k8s.io"], Cluster;
    MutatingWebhookConfiguration "MutatingWebhookConfiguration" ["admissionregistration.k8s.io"], Cluster;
    ValidatingWebhookConfiguration "ValidatingWebhookConfiguration" ["admissionregistration.k8s.io"], Cluster;
    CustomResourceDefinition "CustomResourceDefinition" ["apiextensions.k8s.io"], Cluster;
    // Settings in a file of their own: no kind of the API, so no group has it.
    MeshConfig "MeshConfig" NO_GROUP, Namespaced;
    MeshNetworks "MeshNetworks" NO_GROUP, Namespaced;
}

impl Kind {
    /// The kinds that workloads are made of, Pods aside.
    pub const TEMPLATES: &'static [Kind] =
        &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ReplicaSet, Kind::ReplicationController, Kind::Job, Kind::CronJob, Kind::Rollout];

    pub fn is_istio(self) -> bool {
        self.groups().first().is_some_and(|g| g.ends_with(".istio.io"))
    }
    pub fn is_gateway_api(self) -> bool {
        self.groups().first().is_some_and(|g| g.starts_with("gateway.networking."))
    }
}
