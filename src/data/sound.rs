//! Recordings as frames of log energies in mel bands. In: a WAV file, a folder of them, or a tar archive. Out: a ragged column `mel`, the
//! label of each recording and its speaker by its file's name.
//!
//! A frame is 32 ms of samples in [−1, 1], a new one each 10 ms; channels are averaged, and what is left over at the end is dropped. With
//! the Hamming window h, P_k = |Σ_n h_n x_n e^(−2πikn/N)|² / N over N samples, N the next power of two, and
//! E_m = log(10⁻⁶ + Σ_k w_mk P_k). The w_m are 20 triangles in mel(f) = 2595 log₁₀(1 + f/700), equally wide and overlapping by half
//! between 0 and half the rate (Davis, Mermelstein 1980, section II; O'Shaughnessy 1987 for the scale).

use std::f64::consts::PI;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use super::column::Column;
use super::errors::DataError;
use super::open::{Input, read_error};
use super::table::Table;
use crate::base::schema::{ColumnKind, ColumnSchema, Extent, Schema};

/// Bands of a frame.
const BANDS: usize = 20;
/// Seconds of a frame, and from one to the next.
const FRAME: f64 = 0.032;
const STEP: f64 = 0.010;
/// What is added to an energy, so that silence has a logarithm.
const FLOOR: f64 = 1e-6;
/// Bytes of one recording, and of all recordings of a set unpacked.
const MOST_BYTES: u64 = 1 << 28;
const MOST_TOTAL: u64 = 1 << 32;
/// Folders of a split each.
const SPLITS: [&str; 3] = ["train", "valid", "test"];

/// How a file's name tells what is said, and how rows are split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// `LABEL_SPEAKER_..`; folders named after splits.
    Plain,
    /// `DIGIT_SPEAKER_TAKE`, the first five takes for testing.
    Takes,
}

impl Naming {
    fn label(self) -> &'static str {
        match self {
            Naming::Plain => "label",
            Naming::Takes => "digit",
        }
    }
}

/// One recording.
struct Recording {
    stem: String,
    split: Option<&'static str>,
    frames: usize,
    mel: Vec<f64>,
}

/// What recordings offer, from their place alone.
pub(super) fn schema(path: &Path, naming: Naming) -> Result<Schema, DataError> {
    let splits = match (naming, path.is_dir()) {
        (Naming::Takes, _) => vec!["train".to_string(), "test".to_string()],
        (Naming::Plain, true) => {
            let folders: Vec<String> =
                SPLITS.iter().filter(|s| path.join(s).is_dir()).map(|s| (*s).to_string()).collect();
            if folders.is_empty() { vec!["rows".to_string()] } else { folders }
        }
        (Naming::Plain, false) => vec!["rows".to_string()],
    };
    if !path.is_dir() {
        Input::open(path)?;
    }
    let label = |name: &str| ColumnSchema {
        name: name.into(),
        kind: ColumnKind::Label,
        shape: Vec::new(),
        range: None,
        labels: (naming == Naming::Takes && name == "digit").then(|| (0..10).map(|d: u8| d.to_string()).collect()),
    };
    let mel = ColumnSchema {
        name: "mel".into(),
        kind: ColumnKind::Number,
        shape: vec![Extent::Ragged, Extent::Fixed(BANDS)],
        range: None,
        labels: None,
    };
    Ok(Schema { columns: vec![mel, label(naming.label()), label("speaker")], rows: None, splits })
}

/// All recordings of a place, in the order of their names.
pub(super) fn load(path: &Path, naming: Naming) -> Result<Table, DataError> {
    let mut reader = Reader { name: path.display().to_string(), rate: None, bank: None, list: Vec::new(), total: 0 };
    reader.place(path)?;
    let Reader { name, mut list, .. } = reader;
    if list.is_empty() {
        let detail = "there is no recording in it: no file whose name ends in .wav".to_string();
        return Err(DataError::Malformed { file: name, format: "a set of recordings", detail });
    }
    list.sort_by(|a, b| (a.split, &a.stem).cmp(&(b.split, &b.stem)));
    let lengths: Vec<usize> = list.iter().map(|r| r.frames).collect();
    let word = |at: usize| -> Vec<&str> {
        list.iter().map(|r| r.stem.split('_').nth(at).unwrap_or(if at == 0 { &r.stem } else { "?" })).collect()
    };
    let label = Column::of_labels(Vec::new(), &word(0));
    let speaker = Column::of_labels(Vec::new(), &word(1));
    let splits = match naming {
        Naming::Takes => {
            let take = |r: &Recording| r.stem.rsplit('_').next().and_then(|t| t.parse::<u32>().ok());
            let test: Vec<bool> = list.iter().map(|r| take(r).is_some_and(|t| t < 5)).collect();
            let of = |wanted: bool| (0..list.len()).filter(|&row| test[row] == wanted).collect::<Vec<usize>>();
            vec![("train".to_string(), of(false)), ("test".to_string(), of(true))]
        }
        Naming::Plain if list.iter().all(|r| r.split.is_none()) => vec![("rows".into(), (0..list.len()).collect())],
        Naming::Plain => SPLITS
            .iter()
            .map(|s| (s.to_string(), (0..list.len()).filter(|&row| list[row].split == Some(s)).collect::<Vec<_>>()))
            .filter(|(_, rows)| !rows.is_empty())
            .collect(),
    };
    let mel: Vec<f64> = list.iter().flat_map(|r| r.mel.iter().copied()).collect();
    let mel = Column::numbers(vec![BANDS], mel).ragged(&lengths);
    let columns = vec![("mel".into(), mel), (naming.label().into(), label), ("speaker".into(), speaker)];
    let mut table = Table::from_columns(columns)?;
    table.splits = splits;
    Ok(table)
}

/// Recordings as they are gathered, all of one rate.
struct Reader {
    name: String,
    rate: Option<u32>,
    bank: Option<Bank>,
    list: Vec<Recording>,
    total: u64,
}

impl Reader {
    fn place(&mut self, path: &Path) -> Result<(), DataError> {
        if path.is_dir() {
            self.folder(path, None)?;
            for split in SPLITS {
                let inner = path.join(split);
                if inner.is_dir() {
                    self.folder(&inner, Some(split))?;
                }
            }
            return Ok(());
        }
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        let mut input = Input::open(path)?;
        let file = input.file.clone();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        if stem.ends_with(".tar") || stem.ends_with(".tgz") {
            return self.archive(input.reader, &file);
        }
        let mut bytes = Vec::new();
        let read = input.reader.by_ref().take(MOST_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|e| read_error(&file, input.packed, e))?;
        self.recording(&file, stem_of(&file), None, bytes)
    }

    fn folder(&mut self, path: &Path, split: Option<&'static str>) -> Result<(), DataError> {
        let unreadable = |source| DataError::Unreadable { path: path.to_path_buf(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if is_recording(&file) && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
        for file in files {
            let mut bytes = Vec::new();
            let input = fs::File::open(&file).and_then(|f| f.take(MOST_BYTES + 1).read_to_end(&mut bytes));
            input.map_err(|source| DataError::Unreadable { path: file.clone(), source })?;
            let name = file.display().to_string();
            self.recording(&name, stem_of(&name), split, bytes)?;
        }
        Ok(())
    }

    fn archive(&mut self, reader: impl Read, file: &str) -> Result<(), DataError> {
        let mut archive = tar::Archive::new(reader);
        let broken = |e: std::io::Error| read_error(file, true, e);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
            if !is_recording(Path::new(&path)) || !entry.header().entry_type().is_file() {
                continue;
            }
            let mut bytes = Vec::new();
            entry.by_ref().take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(broken)?;
            self.recording(&format!("{file}/{path}"), stem_of(&path), None, bytes)?;
        }
        Ok(())
    }

    fn recording(
        &mut self,
        file: &str,
        stem: String,
        split: Option<&'static str>,
        bytes: Vec<u8>,
    ) -> Result<(), DataError> {
        let malformed = |detail: String| DataError::Malformed { file: file.into(), format: "a WAV recording", detail };
        self.total += bytes.len() as u64;
        if bytes.len() as u64 > MOST_BYTES || self.total > MOST_TOTAL {
            return Err(malformed("it is larger than any recording that is read".into()));
        }
        let wav = hound::WavReader::new(Cursor::new(bytes)).map_err(|e| malformed(e.to_string()))?;
        let spec = wav.spec();
        let channels = usize::from(spec.channels);
        if channels == 0 || !(1000..=400_000).contains(&spec.sample_rate) {
            return Err(malformed(format!("{channels} channels at {} Hz", spec.sample_rate)));
        }
        let rate = *self.rate.get_or_insert(spec.sample_rate);
        if rate != spec.sample_rate {
            let detail = format!("`{file}` has {} samples a second, those before it {rate}", spec.sample_rate);
            return Err(DataError::Mismatch { what: format!("`{}`", self.name), detail });
        }
        let samples: Result<Vec<f64>, hound::Error> = match spec.sample_format {
            hound::SampleFormat::Float => wav.into_samples::<f32>().map(|s| s.map(f64::from)).collect(),
            hound::SampleFormat::Int => {
                let scale = 2f64.powi(i32::from(spec.bits_per_sample) - 1);
                wav.into_samples::<i32>().map(|s| s.map(|v| f64::from(v) / scale)).collect()
            }
        };
        let samples = samples.map_err(|e| malformed(e.to_string()))?;
        let mono: Vec<f64> = samples.chunks(channels).map(|c| c.iter().sum::<f64>() / channels as f64).collect();
        if mono.iter().any(|v| !v.is_finite()) {
            return Err(malformed("a sample is no finite number".into()));
        }
        let bank = self.bank.get_or_insert_with(|| Bank::new(rate));
        let mel = bank.energies(&mono);
        self.list.push(Recording { stem, split, frames: mel.len() / BANDS, mel });
        Ok(())
    }
}

fn is_recording(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav"))
}

fn stem_of(path: &str) -> String {
    Path::new(path).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The window and the bands for one rate.
struct Bank {
    window: Vec<f64>,
    step: usize,
    /// Points of the transform.
    points: usize,
    /// For each band the first frequency it hears and its weights from there on.
    bands: Vec<(usize, Vec<f64>)>,
}

impl Bank {
    fn new(rate: u32) -> Bank {
        let rate = f64::from(rate);
        let width = (FRAME * rate).round().max(2.0) as usize;
        let points = width.next_power_of_two();
        let window = (0..width).map(|n| 0.54 - 0.46 * (2.0 * PI * n as f64 / (width - 1) as f64).cos()).collect();
        let mel = |f: f64| 2595.0 * (1.0 + f / 700.0).log10();
        let spacing = mel(rate / 2.0) / (BANDS + 1) as f64;
        let bands = (1..=BANDS)
            .map(|band| {
                let weight = |k: usize| {
                    let away = mel(k as f64 * rate / points as f64) / spacing - band as f64;
                    (1.0 - away.abs()).max(0.0)
                };
                let heard: Vec<usize> = (0..=points / 2).filter(|&k| weight(k) > 0.0).collect();
                let first = heard.first().copied().unwrap_or(0);
                (first, heard.into_iter().map(weight).collect())
            })
            .collect();
        Bank { window, step: (STEP * rate).round().max(1.0) as usize, points, bands }
    }

    /// The energies of every frame, one frame after the other; a recording shorter than a frame is filled up with silence.
    fn energies(&self, samples: &[f64]) -> Vec<f64> {
        let frames = 1 + samples.len().saturating_sub(self.window.len()) / self.step;
        let mut out = Vec::with_capacity(frames * BANDS);
        let (mut real, mut imaginary) = (vec![0.0; self.points], vec![0.0; self.points]);
        for frame in 0..frames {
            real.fill(0.0);
            imaginary.fill(0.0);
            let from = frame * self.step;
            for ((x, sample), weight) in real.iter_mut().zip(samples.iter().skip(from)).zip(&self.window) {
                *x = sample * weight;
            }
            transform(&mut real, &mut imaginary);
            let power = |k: usize| (real[k] * real[k] + imaginary[k] * imaginary[k]) / self.points as f64;
            for (first, weights) in &self.bands {
                let energy: f64 = weights.iter().enumerate().map(|(i, w)| w * power(first + i)).sum();
                out.push((FLOOR + energy).ln());
            }
        }
        out
    }
}

/// The discrete Fourier transform in place, of a power of two points (Cooley, Tukey 1965).
fn transform(real: &mut [f64], imaginary: &mut [f64]) {
    let n = real.len();
    let bits = n.trailing_zeros();
    for i in 0..n {
        let j = if bits == 0 { 0 } else { i.reverse_bits() >> (usize::BITS - bits) };
        if i < j {
            real.swap(i, j);
            imaginary.swap(i, j);
        }
    }
    let mut size = 2;
    while size <= n {
        let half = size / 2;
        for k in 0..half {
            let (sin, cos) = (-2.0 * PI * k as f64 / size as f64).sin_cos();
            for a in (k..n).step_by(size) {
                let b = a + half;
                let (x, y) = (real[b] * cos - imaginary[b] * sin, real[b] * sin + imaginary[b] * cos);
                (real[b], imaginary[b]) = (real[a] - x, imaginary[a] - y);
                (real[a], imaginary[a]) = (real[a] + x, imaginary[a] + y);
            }
        }
        size *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(samples: &[f64], rate: u32) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a writer");
        samples.iter().for_each(|s| writer.write_sample((s * 32767.0) as i16).expect("a sample"));
        writer.finalize().expect("a file");
        bytes.into_inner()
    }

    fn tone(frequency: f64, rate: u32, count: usize) -> Vec<f64> {
        (0..count).map(|n| 0.5 * (2.0 * PI * frequency * n as f64 / f64::from(rate)).sin()).collect()
    }

    #[test]
    fn transforms_are_those_of_the_definition() {
        let x: Vec<f64> = (0..16).map(|n| f64::from((n * 7 + 3) % 11) - 5.0).collect();
        let (mut real, mut imaginary) = (x.clone(), vec![0.0; 16]);
        transform(&mut real, &mut imaginary);
        for k in 0..16 {
            let angle = |n: usize| -2.0 * PI * (k * n) as f64 / 16.0;
            let (a, b) = (0..16).fold((0.0, 0.0), |(a, b), n| (a + x[n] * angle(n).cos(), b + x[n] * angle(n).sin()));
            assert!((real[k] - a).abs() < 1e-12 && (imaginary[k] - b).abs() < 1e-12, "{k}");
        }
    }

    #[test]
    fn a_tone_is_loudest_in_the_band_around_it() {
        let bank = Bank::new(8000);
        let spacing = 2595.0 * (1.0f64 + 4000.0 / 700.0).log10() / 21.0;
        for band in [3usize, 9, 17] {
            let centre = 700.0 * (10f64.powf(spacing * band as f64 / 2595.0) - 1.0);
            let energies = bank.energies(&tone(centre, 8000, 8000));
            // A second of 32 ms each 10 ms: 1 + (8000 − 256)/80 frames.
            assert_eq!(energies.len(), 97 * BANDS);
            let frame = &energies[40 * BANDS..41 * BANDS];
            let loudest = (0..BANDS).max_by(|&a, &b| frame[a].total_cmp(&frame[b]));
            assert_eq!(loudest, Some(band - 1));
        }
        assert!(bank.energies(&[]).iter().all(|e| (e - FLOOR.ln()).abs() < 1e-12));
    }

    #[test]
    fn names_tell_labels_and_splits() {
        let place = tempfile::tempdir().expect("a folder");
        for (name, count) in [("3_ann_0", 300), ("3_ann_7", 900), ("0_bob_12", 4000)] {
            fs::write(place.path().join(format!("{name}.wav")), wav(&tone(500.0, 8000, count), 8000)).expect("a file");
        }
        fs::write(place.path().join("notes.txt"), "no sound").expect("a file");
        let table = load(place.path(), Naming::Takes).expect("recordings");
        let mel = table.column("mel").expect("energies");
        assert_eq!((0..3).map(|row| mel.length(row)).collect::<Vec<_>>(), [47, 1, 9]);
        let digit = table.column("digit").expect("labels");
        let label = |row: usize| digit.labels.as_ref().map(|l| l[digit.value(row, 0) as usize].clone());
        assert_eq!((0..3).map(|row| label(row).unwrap_or_default()).collect::<Vec<_>>(), ["0", "3", "3"]);
        assert_eq!(table.splits, [("train".to_string(), vec![0, 2]), ("test".to_string(), vec![1])]);
        let plain = load(&place.path().join("3_ann_7.wav"), Naming::Plain).expect("a recording");
        assert_eq!((plain.rows, plain.column("label").is_ok()), (1, true));
    }

    #[test]
    fn what_is_no_recording_is_told() {
        let place = tempfile::tempdir().expect("a folder");
        let told = |what: &str| load(&place.path().join(what), Naming::Plain).expect_err("a refusal").to_string();
        assert!(load(place.path(), Naming::Plain).is_err_and(|e| e.to_string().contains("no recording")));
        fs::write(place.path().join("a.wav"), b"RIFF").expect("a file");
        assert!(told("a.wav").contains("a.wav"), "{}", told("a.wav"));
        let mut cut = wav(&tone(500.0, 8000, 500), 8000);
        cut.truncate(600);
        fs::write(place.path().join("b.wav"), cut).expect("a file");
        assert!(told("b.wav").contains("b.wav"));
        fs::remove_file(place.path().join("a.wav")).expect("removed");
        fs::write(place.path().join("b.wav"), wav(&[0.0; 400], 8000)).expect("a file");
        fs::write(place.path().join("c.wav"), wav(&[0.0; 400], 16000)).expect("a file");
        assert!(load(place.path(), Naming::Plain).is_err_and(|e| e.to_string().contains("16000")));
    }
}
