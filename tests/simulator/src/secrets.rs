//! Secret material, all of it recognisable, so that a test can look for leaks in logs.

/// Found in every IMDS session token.
pub const IMDS_TOKEN_MARKER: &str = "SIMIMDSTOKENMARKER";
/// Found in every secret access key.
pub const SECRET_KEY_MARKER: &str = "SIMSECRETKEYMARKER";
/// Found in every session token of temporary credentials.
pub const SESSION_TOKEN_MARKER: &str = "SIMSESSIONTOKENMARKER";
/// Found in every instance identity signature.
pub const SIGNATURE_MARKER: &str = "SIMIDENTITYSIGNATUREMARKER";

/// None of these may ever show up in a log, a status text or an error message.
pub const SECRET_MARKERS: &[&str] = &[
    IMDS_TOKEN_MARKER,
    SECRET_KEY_MARKER,
    SESSION_TOKEN_MARKER,
    SIGNATURE_MARKER,
];

/// An access key id that is always accepted (for boto3 or the AWS CLI by hand), with any secret.
pub const STATIC_ACCESS_KEY_ID: &str = "AKIDSIMULATOR";

pub(crate) fn imds_token(number: u64) -> String {
    format!("AQAEA{IMDS_TOKEN_MARKER}{number:012}YmFzZTY0bG9va3NsaWtldGhpcw==")
}

pub(crate) fn access_key_id(number: u64) -> String {
    format!("ASIASIM{number:013}")
}

pub(crate) fn secret_access_key(number: u64) -> String {
    format!("wJalr/{SECRET_KEY_MARKER}/{number:014}")
}

pub(crate) fn session_token(number: u64) -> String {
    format!("IQoJb3JpZ2luX2VjE{SESSION_TOKEN_MARKER}{number:012}//////////8BGgwxMjM0NTY3ODkwMTI=")
}

/// As the metadata service serves it: base64-like, in several lines.
pub(crate) fn identity_signature(instance: &str) -> String {
    let hex: String = instance.bytes().map(|b| format!("{b:02x}")).collect();
    format!(
        "{SIGNATURE_MARKER}{:0<38}\n{:A<64}\n{:B<64}\nc2ln{}==",
        "x",
        hex,
        instance.trim_start_matches("i-"),
        instance.len()
    )
}
