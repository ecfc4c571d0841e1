//! Every operation that the command line asks the API for, in groups. Arguments, requests and
//! tables follow from it.

use crate::operation::Group;
use crate::resources::RESOURCES;
use crate::{of_resources, others};

/// Returns every group, in the order of the help.
pub fn groups() -> Vec<Group> {
    RESOURCES.iter().map(of_resources::of_resource).chain(others::groups()).collect()
}
