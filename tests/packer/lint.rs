//! Form of template and scripts.

use super::packer::skipped;

/// packer fmt, packer validate with the real amazon plugin, shellcheck.
#[test]
fn packer_and_shellcheck_have_nothing_to_say() {
    skipped("packer/lint.sh");
}
