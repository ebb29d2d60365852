//! Which fields of an object are kept, by kind. What is not named here is dropped while the answer is read: it takes no
//! memory, and what may be secret never enters a snapshot.

use mesh_model::Kind;

/// Which part of a JSON value is kept.
#[derive(Clone, Copy, Debug)]
pub enum Keep {
    /// All of it.
    All,
    /// Nothing.
    Nothing,
    /// These fields of a mapping.
    Fields(&'static [(&'static str, &'static Keep)]),
    /// All fields but these, which are kept as far as said.
    Except(&'static [(&'static str, &'static Keep)]),
    /// So much of each item of a sequence, or of each value of a mapping.
    Each(&'static Keep),
    /// An environment: names; values only where they are the control plane's own settings.
    Environment,
    /// `data` of a Secret: certificates; of every other key only that it is there.
    SecretData,
    /// `data` of a ConfigMap beside the control plane: its settings and certificates; of every other key only that it is
    /// there.
    ConfigData,
}

use Keep::{All, ConfigData, Each, Environment, Except, Fields, Nothing, SecretData};

/// An annotation that repeats the whole object, secrets included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

const ANNOTATIONS: &Keep = &Except(&[(LAST_APPLIED, &Nothing)]);

/// Who changed an object, when; never which fields.
const MANAGED: &Keep = &Each(&Fields(&[("manager", &All), ("operation", &All), ("time", &All), ("subresource", &All)]));

const METADATA: &Keep = &Except(&[("managedFields", MANAGED), ("annotations", ANNOTATIONS), ("selfLink", &Nothing)]);

/// Of what only controllers write, and there is much of.
const UNMANAGED: &Keep = &Except(&[("managedFields", &Nothing), ("annotations", ANNOTATIONS), ("selfLink", &Nothing)]);

const CONTAINER: &Keep = &Each(&Fields(&[
    ("name", &All),
    ("image", &All),
    ("ports", &All),
    ("env", &Each(&Environment)),
    ("restartPolicy", &All),
    ("readinessProbe", &Fields(&[("httpGet", &Fields(&[("path", &All), ("port", &All)])), ("tcpSocket", &All), ("grpc", &All)])),
    ("securityContext", &Fields(&[("runAsUser", &All), ("runAsNonRoot", &All), ("privileged", &All)])),
]));

const POD_SPEC: &Keep = &Fields(&[
    ("containers", CONTAINER),
    ("initContainers", CONTAINER),
    ("hostNetwork", &All),
    ("hostname", &All),
    ("subdomain", &All),
    ("nodeName", &All),
    ("serviceAccountName", &All),
    ("serviceAccount", &All),
    ("securityContext", &Fields(&[("runAsUser", &All), ("runAsNonRoot", &All)])),
    ("readinessGates", &All),
]);

const CONDITIONS: &Keep = &Each(&Fields(&[("type", &All), ("status", &All), ("reason", &All), ("message", &All), ("lastTransitionTime", &All)]));

const ENDED: &Keep =
    &Fields(&[("terminated", &Fields(&[("reason", &All), ("exitCode", &All), ("finishedAt", &All)])), ("waiting", &Fields(&[("reason", &All)]))]);

const CONTAINER_STATUS: &Keep = &Each(&Fields(&[("name", &All), ("ready", &All), ("restartCount", &All), ("state", ENDED), ("lastState", ENDED)]));

const POD: &Keep = &Fields(&[
    ("metadata", UNMANAGED),
    ("spec", POD_SPEC),
    (
        "status",
        &Fields(&[
            ("phase", &All),
            ("reason", &All),
            ("podIP", &All),
            ("podIPs", &All),
            ("hostIP", &All),
            ("startTime", &All),
            ("conditions", CONDITIONS),
            ("containerStatuses", CONTAINER_STATUS),
            ("initContainerStatuses", CONTAINER_STATUS),
        ]),
    ),
]);

const TEMPLATE: &Keep = &Fields(&[("metadata", UNMANAGED), ("spec", POD_SPEC)]);

const WORKLOAD: &Keep = &Fields(&[
    ("metadata", METADATA),
    (
        "spec",
        &Fields(&[
            ("replicas", &All),
            ("selector", &All),
            ("serviceName", &All),
            ("template", TEMPLATE),
            ("jobTemplate", &Fields(&[("spec", &Fields(&[("template", TEMPLATE)]))])),
        ]),
    ),
    (
        "status",
        &Fields(&[
            ("observedGeneration", &All),
            ("replicas", &All),
            ("readyReplicas", &All),
            ("numberReady", &All),
            ("updatedReplicas", &All),
            ("conditions", CONDITIONS),
        ]),
    ),
]);

const NAMED: &Keep = &Fields(&[("metadata", METADATA)]);

const WEBHOOK: &Keep = &Except(&[("metadata", METADATA), ("webhooks", &Each(&Except(&[("clientConfig", &Except(&[("url", &Nothing)]))])))]);

/// What is kept of an object of a kind.
pub fn of(kind: Kind) -> &'static Keep {
    match kind {
        Kind::Pod => POD,
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet | Kind::ReplicationController | Kind::Job | Kind::CronJob | Kind::Rollout => {
            WORKLOAD
        }
        Kind::Namespace | Kind::ServiceAccount => NAMED,
        Kind::Node => &Fields(&[("metadata", UNMANAGED), ("status", &Fields(&[("addresses", &All), ("conditions", CONDITIONS)]))]),
        Kind::Secret => &Fields(&[("metadata", METADATA), ("type", &All), ("data", &SecretData)]),
        Kind::ConfigMap => &Fields(&[("metadata", METADATA), ("data", &ConfigData)]),
        Kind::MutatingWebhookConfiguration | Kind::ValidatingWebhookConfiguration => WEBHOOK,
        _ => &Except(&[("metadata", METADATA)]),
    }
}

impl Keep {
    /// What is kept of a field of a mapping.
    pub fn field(&self, name: &str) -> &'static Keep {
        match self {
            All => &All,
            Fields(list) => list.iter().find(|(n, _)| *n == name).map_or(&Nothing, |(_, keep)| keep),
            Except(list) => list.iter().find(|(n, _)| *n == name).map_or(&All, |(_, keep)| keep),
            Each(keep) => keep,
            Nothing | Environment | SecretData | ConfigData => &Nothing,
        }
    }
    /// What is kept of an item of a sequence.
    pub fn item(&self) -> &'static Keep {
        match self {
            All | Except(_) => &All,
            Each(keep) => keep,
            Nothing | Fields(_) | Environment | SecretData | ConfigData => &Nothing,
        }
    }
}

/// Whether a value of an environment is a setting that checks ask for, and no secret.
pub fn is_setting(variable: &str) -> bool {
    variable.starts_with("PILOT_") || variable.starts_with("ISTIO_META_") || variable == "BLOCKED_CIDRS_IN_JWKS_URIS"
}

/// Whether a key of a Secret holds what every client is shown anyway: a certificate.
pub fn is_certificate(key: &str) -> bool {
    matches!(key, "tls.crt" | "ca.crt" | "cert" | "cacert" | "ca-cert.pem" | "root-cert.pem" | "cert-chain.pem")
}

/// Whether a key of a ConfigMap holds settings of the mesh or certificates.
pub fn is_mesh_setting(key: &str) -> bool {
    matches!(key, "mesh" | "meshNetworks" | "values" | "config" | "root-cert.pem" | "ca.crt")
}
