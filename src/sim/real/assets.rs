//! Where the programs are.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::Error;

/// Names the folder of the programs, as for users of controller-runtime's envtest.
const VARIABLE: &str = "KUBEBUILDER_ASSETS";
/// Without these there is no API server.
const NEEDED: [&str; 2] = ["etcd", "kube-apiserver"];

/// A folder with at least etcd and kube-apiserver in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    folder: PathBuf,
}

impl Assets {
    /// The folder that `KUBEBUILDER_ASSETS` names, or else the one that `make rig` fills; none if that is not filled.
    ///
    /// # Errors
    /// [`Error::Incomplete`]: what `KUBEBUILDER_ASSETS` names lacks one of the two.
    pub fn find() -> Result<Option<Self>, Error> {
        match env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => Self::in_folder(Path::new(&folder)).map(Some),
            None => Ok(default_folder().and_then(|folder| Self::in_folder(&folder).ok())),
        }
    }

    /// Those in `folder`.
    ///
    /// # Errors
    /// [`Error::Incomplete`].
    pub fn in_folder(folder: &Path) -> Result<Self, Error> {
        match NEEDED.into_iter().find(|program| !folder.join(program).is_file()) {
            Some(program) => Err(Error::Incomplete { folder: folder.to_owned(), program }),
            None => Ok(Self { folder: folder.to_owned() }),
        }
    }

    /// Whether `program` is there; sets made for envtest have no scheduler and no controller manager.
    pub fn has(&self, program: &str) -> bool {
        self.path(program).is_file()
    }

    /// Where `program` is, if it is there.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    pub(super) fn need(&self, program: &'static str) -> Result<PathBuf, Error> {
        if self.has(program) {
            Ok(self.path(program))
        } else {
            Err(Error::Missing { folder: self.folder.clone(), program })
        }
    }
}

/// The same folder as in the Makefile.
fn default_folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("tailor").join("rig"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_without_etcd_is_refused_and_one_without_a_scheduler_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kube-apiserver"), "").unwrap();
        let refused = Assets::in_folder(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("has no program etcd; run `make rig`"), "{refused}");
        fs::write(folder.path().join("etcd"), "").unwrap();
        let assets = Assets::in_folder(folder.path()).unwrap();
        assert!(assets.has("etcd") && !assets.has("kube-scheduler"));
        assert!(assets.need("kube-scheduler").unwrap_err().to_string().contains("there is no kube-scheduler"));
    }
}
