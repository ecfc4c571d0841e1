//! Payment files: what is to be paid, as banks and payment services read it.
//!
//! Pure: the same job gives the same bytes, whoever asks and whenever. It refuses with all bad
//! lines at once, and never writes a file that leaves a line out. It pays nobody and remembers
//! nothing.

mod check;
mod credit_transfer;
mod file;
mod latin;
mod paypal;
mod plain;
mod rows;
mod told;
mod wise;

pub use jiff::civil::Date;

pub use file::{File, Format, Job, Mistake, Place, Transfer};

use told::Told;

/// Writes the payment file of a job.
///
/// # Errors
/// All mistakes of the job and of its transfers: first those of the job, then line by line.
pub fn write(job: &Job, format: Format) -> Result<File, Vec<Mistake>> {
    let mut told = Told::default();
    let control_sum = check::job(job, &mut told);
    let text = match format {
        Format::Sepa => credit_transfer::write(job, &mut told),
        Format::Paypal => paypal::write(job, &mut told),
        Format::Wise => wise::write(job, &mut told),
        Format::Plain => plain::write(job, &mut told),
    };
    told.end()?;
    let (Some(control_sum), Some(text)) = (control_sum, text) else { return Err(Vec::new()) };
    Ok(File {
        name: format!("payout-{}-{}-{format}.{}", job.number, job.currency, format.extension()),
        media_type: format.media_type(),
        text,
        count: job.transfers.len(),
        control_sum,
    })
}
