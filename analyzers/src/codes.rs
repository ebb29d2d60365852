//! Every code that meshctl can emit: `IST…` where istioctl has the check (same code, level and meaning), `KIA…`
//! where only Kiali has it, `MSH…` for ours.

use crate::finding::Level;

/// A code: what a finding is about.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    pub id: &'static str,
    pub name: &'static str,
    /// The level it is reported at unless the rule says otherwise.
    pub level: Level,
    /// One line, for lists.
    pub summary: &'static str,
}

impl Code {
    /// The version of meshctl, major and minor, that had it first: for rule sets that are pinned.
    pub fn since(&self) -> (u16, u16) {
        SINCE.iter().find(|(id, _)| *id == self.id).map_or((0, 1), |(_, version)| *version)
    }
}

impl Code {
    /// A page that explains the code: what rules of different areas say of it begins with what they have in common.
    pub fn introduced(&self, page: &str) -> String {
        match page.split_once('\n') {
            Some((heading, rest)) if page.matches("**What it checks.**").count() > 1 => format!("{heading}\n\n{}.\n{rest}", self.summary),
            _ => page.to_owned(),
        }
    }
}

/// Codes that are younger than 0.1.
const SINCE: &[(&str, (u16, u16))] = &[];

macro_rules! codes {
    ($($id:ident $name:ident $level:ident $summary:literal;)*) => {
        $(pub static $id: Code = Code { id: stringify!($id), name: stringify!($name), level: Level::$level, summary: $summary };)*
        /// All codes, by group and number.
        pub static ALL: &[&Code] = &[$(&$id,)*];
    };
}

codes! {
    IST0002 Deprecated Warning "A deprecated feature is used";
    IST0101 ReferencedResourceNotFound Error "Something that is referred to does not exist";
    IST0102 NamespaceNotInjected Info "A namespace is not enabled for injection";
    IST0103 PodMissingProxy Warning "A pod of an injected namespace has no proxy";
    IST0106 SchemaValidationError Error "A field is not valid";
    IST0107 MisplacedAnnotation Warning "An Istio annotation stands on a kind it does not apply to";
    IST0108 UnknownAnnotation Warning "An annotation of Istio's domain is unknown";
    IST0109 ConflictingMeshGatewayVirtualServiceHosts Error "Two VirtualServices claim one host on the mesh gateway";
    IST0110 ConflictingSidecarWorkloadSelectors Error "Two Sidecars select the same workload";
    IST0111 MultipleSidecarsWithoutWorkloadSelectors Error "A namespace has several Sidecars without selector";
    IST0112 VirtualServiceDestinationPortSelectorRequired Error "A destination with several ports needs a port";
    IST0116 DeploymentAssociatedToMultipleServices Warning "Services of one Deployment use one port with different protocols";
    IST0118 PortNameIsNotUnderNamingConvention Info "A port name does not tell the protocol";
    IST0123 NamespaceMultipleInjectionLabels Warning "A namespace has several injection labels";
    IST0125 InvalidAnnotation Warning "An annotation's value is not valid";
    IST0126 UnknownMeshNetworksServiceRegistry Error "A network refers to an unknown registry";
    IST0127 NoMatchingWorkloadsFound Warning "A policy selects no workload";
    IST0128 NoServerCertificateVerificationDestinationLevel Warning "TLS origination without a CA certificate";
    IST0129 NoServerCertificateVerificationPortLevel Warning "TLS origination for a port without a CA certificate";
    IST0130 VirtualServiceUnreachableRule Warning "A route rule can never be reached";
    IST0131 VirtualServiceIneffectiveMatch Info "A match is covered by an earlier one";
    IST0132 VirtualServiceHostNotFoundInGateway Warning "A VirtualService's host is not served by its gateway";
    IST0133 SchemaWarning Warning "A field is valid but doubtful";
    IST0134 ServiceEntryAddressesRequired Warning "A TCP ServiceEntry has no addresses";
    IST0135 DeprecatedAnnotation Info "An annotation is deprecated";
    IST0137 DeploymentConflictingPorts Warning "Services send several ports to one port of a Deployment";
    IST0138 GatewayDuplicateCertificate Warning "Gateways share a certificate";
    IST0139 InvalidWebhook Error "Injection webhooks overlap, or one has no service";
    IST0140 IngressRouteRulesNotAffected Warning "A gateway route bypasses a subset rule";
    IST0144 InvalidApplicationUID Warning "A container runs as the proxy's user";
    IST0145 ConflictingGateways Error "Gateways serve the same host on one port";
    IST0146 ImageAutoWithoutInjectionWarning Warning "Image `auto` on a Deployment that is not injected";
    IST0147 ImageAutoWithoutInjectionError Error "Image `auto` on a Pod that is not injected";
    IST0148 NamespaceInjectionEnabledByDefault Info "Injection is on by default in this namespace";
    IST0149 JwtClaimBasedRoutingWithoutRequestAuthN Error "Routing by JWT claim without RequestAuthentication";
    IST0150 ExternalNameServiceTypeInvalidPortName Warning "The port name of an ExternalName Service is not valid";
    IST0151 EnvoyFilterUsesRelativeOperation Warning "An EnvoyFilter depends on the order of filters";
    IST0152 EnvoyFilterUsesReplaceOperationIncorrectly Error "REPLACE does not work here";
    IST0153 EnvoyFilterUsesAddOperationIncorrectly Error "ADD does not work here";
    IST0154 EnvoyFilterUsesRemoveOperationIncorrectly Error "REMOVE does not work here";
    IST0155 EnvoyFilterUsesRelativeOperationWithProxyVersion Warning "An EnvoyFilter depends on the order of filters for one proxy version";
    IST0157 InvalidTelemetryProvider Warning "Access logging has no provider";
    IST0158 PodsIstioProxyImageMismatchInNamespace Warning "Proxies run another image than injection would give";
    IST0159 ConflictingTelemetryWorkloadSelectors Error "Two Telemetries select the same workload";
    IST0160 MultipleTelemetriesWithoutWorkloadSelectors Error "A namespace has several Telemetries without selector";
    IST0161 InvalidGatewayCredential Error "A gateway's secret is no valid certificate";
    IST0162 GatewayPortNotDefinedOnService Warning "A gateway port is not exposed by its Service";
    IST0163 InvalidExternalControlPlaneConfig Warning "The address of an external control plane is not valid";
    IST0164 ExternalControlPlaneAddressIsNotAHostname Info "An external control plane is addressed by IP";
    IST0165 ReferencedInternalGateway Warning "A VirtualService refers to a generated gateway";
    IST0166 IneffectiveSelector Warning "A selector on a Gateway API gateway has no effect";
    IST0167 IneffectivePolicy Warning "A policy has no effect here";
    IST0170 MultiClusterInconsistentService Warning "A Service differs between clusters";
    IST0171 NegativeConditionStatus Warning "An object's status says that something is wrong";
    IST0173 DestinationRuleSubsetNotSelectPods Error "A subset selects no workload";
    IST0174 UnknownDestinationRuleHost Warning "A DestinationRule's host is unknown";
    IST0175 JwksUriFetchUnrestricted Warning "JWKS may be fetched from anywhere";
    IST0176 GatewayAPICRDVersionBelowMinimum Warning "The Gateway API CRDs are too old";
    IST0177 ConflictingServiceEntryProtocol Warning "ServiceEntries disagree about a port's protocol";

    MSH0001 SyntaxError Error "A document is not valid YAML or JSON";
    MSH0002 ProbableMisspelling Warning "A reference looks like a misspelling of something that exists";
    MSH0003 DuplicateObject Warning "The same object is in the input twice";
    MSH0004 UnusedIgnore Warning "A suppression matches no finding";
    MSH0005 DuplicateKey Warning "A mapping holds a key twice";
    MSH0006 IgnoredContent Warning "A value follows a document and is ignored";

    // MSH01: routing and hosts (VirtualService, DestinationRule, ServiceEntry, Sidecar).
    MSH0101 ShadowedRoute Warning "A rule never takes a request, because earlier rules do";
    MSH0102 ShadowedMatch Info "A match never takes a request, because an earlier rule does";
    MSH0103 ShadowedByMerge Warning "A rule never takes a request, because another VirtualService of its hosts does";
    MSH0104 MatchNeverHolds Warning "A match that no request meets";
    MSH0105 RoutesNotServed Warning "Routes of a kind that no server of the gateway takes for their hosts";
    MSH0121 SubsetsNotJudged Info "Subsets whose DestinationRule is not in the input";
    MSH0122 DelegateNotFound Warning "A route delegates to a VirtualService that can not be its delegate";
    MSH0123 DelegateNested Warning "A delegate delegates again";
    MSH0124 ServiceEntryConflict Warning "ServiceEntries for one host differ in resolution or location";
    MSH0125 ServiceEntryAddressOverlap Warning "ServiceEntries share an address and TCP port";
    MSH0126 ServiceEntryShadowsService Warning "A ServiceEntry has the host of a Kubernetes Service";

    // MSH02: resilience.
    MSH0201 RetriesDoNotFit Warning "A try cannot time out within the route's time-out";
    MSH0202 OutlierDetectionEjectsAll Warning "Outlier detection can eject every endpoint";
    MSH0203 PoolRejectsOrdinaryLoad Warning "A connection pool rejects the second concurrent request";
    MSH0204 FirstErrorEjects Info "An endpoint is ejected at its first error";
    MSH0205 RetriesMultiply Warning "Retries along a chain of calls multiply";

    // MSH03: security.
    MSH0301 PrincipalNeverMatches Warning "A principal that no workload can have";
    MSH0302 PathNeverMatches Warning "A path that no request can have";
    MSH0303 TokenNeverRequired Warning "Tokens are checked but never required";
    MSH0304 MtlsConflict Warning "Clients are told to speak as the workload does not listen";
    MSH0305 HttpRuleOnTcpPort Warning "A rule asks for HTTP on a port of TCP";
    MSH0306 HostNeverMatches Warning "A host that no request can have";
    MSH0307 PolicyPortNotServed Warning "A policy names the port of a Service instead of the workload's";
    MSH0308 PeerAuthenticationWithoutEffect Warning "A PeerAuthentication that can not do what it says";
    MSH0309 TokenRulesDiffer Warning "RequestAuthentications have different rules for one issuer";
    MSH0310 StrictPortLeftOut Warning "In ambient mode, STRICT for a port that istiod leaves out";

    // MSH04: gateways, Istio's and the Gateway API's.
    MSH0401 ListenerNotFound Error "A route names a listener or port that its parent does not have";
    MSH0402 NoCommonHostname Warning "A route and its listener have no hostname in common";
    MSH0403 RouteNotAllowed Warning "A listener does not take the route";
    MSH0404 BackendPortNotFound Error "A route sends to a port that the Service does not have";
    MSH0405 ReferenceNotGranted Error "A reference to another namespace that no ReferenceGrant allows";
    MSH0406 BackendKindNotSupported Warning "A route sends to a kind that Istio can not send to";
    MSH0407 ListenerConflict Warning "Listeners of one Gateway that exclude each other";
    MSH0408 ListenerCredential Error "A listener's certificate is missing or not valid";
    MSH0409 RepeatedRouteMatch Warning "A route has a match twice";
    MSH0410 ListenerNotSupported Warning "A listener that Istio does not support";
    MSH0411 GatewayProtocolConflict Warning "Servers of one port whose protocols exclude each other";

    // MSH05: schema.
    MSH0501 UnknownField Error "A field that the kind does not have";
    MSH0502 WrongType Error "A value of the wrong type";
    MSH0503 UnknownEnumValue Error "A value that is none of those that its field can have";
    MSH0504 OutOfBounds Error "A value outside its bounds, or not of the form asked for";
    MSH0505 MissingField Error "A required field is missing";
    MSH0506 CrdRule Error "A rule of the custom resource definition does not hold";
    MSH0507 ExclusiveFields Error "Fields that exclude each other are set together";
    MSH0508 OtherVersion Error "A field, value or kind that this version does not have";
    MSH0509 ApiVersionNotServed Error "The apiVersion does not serve the kind";
    MSH0510 RepeatedItem Error "A list has an item twice that must be unique";
    MSH0511 InvalidName Error "A name that no object can have";
    MSH0512 PodAnnotation Warning "An annotation of a pod template that does not do what is meant";
    MSH0513 InjectionLabel Warning "A label for injection with a value that Istio does not know";
    MSH0514 NamespaceNotWatched Warning "What stands in a namespace that istiod does not watch";

    // KIA: checks that only Kiali has, by number.
    KIA0002 SeveralPeerAuthentications Warning "Several PeerAuthentications have one scope";
    KIA0003 OverlappingPeerAuthentications Warning "PeerAuthentications with different selectors pick the same workload";
    KIA0004 SelectorFindsNoWorkload Warning "An authentication policy selects no workload";
    KIA0102 UnknownMethod Warning "A method that no request has";
    KIA0105 IdentityNeedsMtls Warning "A policy asks for an identity where there is no mTLS";
    KIA0106 ServiceAccountNotFound Warning "The service account of a principal does not exist";
    KIA0108 UnknownTrustDomain Warning "The trust domain of a principal is not the mesh's";
    KIA0201 SeveralDestinationRules Warning "DestinationRules for one host contradict each other";
    KIA0203 SubsetSelectsNothingOfHost Warning "A subset selects no workload of its host";
    KIA0301 GatewayHostOverlap Warning "Gateways serve the same host, spelled differently, on one port";
    KIA1004 SidecarEgressHostNotFound Warning "An egress host of a Sidecar matches nothing";
    KIA1401 RouteParentNotFound Error "The parent of a route does not exist";
    KIA1402 RouteBackendNotFound Error "A route sends to a Service that does not exist";
    KIA1601 GrantFromUnknownNamespace Warning "A ReferenceGrant for a namespace that does not exist";

}

/// A code by its id, any case.
pub fn find(id: &str) -> Option<&'static Code> {
    ALL.iter().copied().find(|c| c.id.eq_ignore_ascii_case(id))
}
