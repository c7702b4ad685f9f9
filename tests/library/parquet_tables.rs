//! Features written as Parquet files.

use std::fs::File;
use std::io::Write;

use kindling::features::{FeatureTable, TableFormat, TableRow};
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::FloatType;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, RowAccessor};

use crate::tables::{table, written};

fn parquet_reader(table: &FeatureTable) -> SerializedFileReader<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&written(table, TableFormat::Parquet)).unwrap();
    SerializedFileReader::new(file).unwrap()
}

#[test]
fn a_parquet_table_has_one_row_per_photo_with_its_features() {
    for labelled in [true, false] {
        let table = table(labelled);
        let reader = parquet_reader(&table);
        let metadata = reader.metadata().file_metadata();
        let entries = metadata.key_value_metadata().unwrap();
        let value =
            |key: &str| entries.iter().find(|entry| entry.key == key).unwrap().value.clone();
        assert_eq!(value("backbone").as_deref(), Some("resnet18-w4"));
        assert_eq!(value("width").as_deref(), Some("4"));
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 3);
        for (index, row) in rows.iter().enumerate() {
            let names: Vec<&str> = row.get_column_iter().map(|(name, _)| name.as_str()).collect();
            let text = |column: usize| match row.get_column_iter().nth(column).unwrap().1 {
                Field::Str(text) => Some(text.clone()),
                Field::Null => None,
                other => panic!("{other:?}"),
            };
            let photo = &table.photos[index];
            assert_eq!(text(0), Some(photo.path.clone()));
            assert_eq!(text(1), photo.label.map(|label| table.classes[label].clone()));
            let last = match labelled {
                true => {
                    assert_eq!(names, ["path", "label", "part", "features"]);
                    assert_eq!(text(2).as_deref(), photo.part);
                    3
                }
                false => {
                    assert_eq!(names, ["path", "label", "features"]);
                    2
                }
            };
            let features = row.get_list(last).unwrap();
            let features: Vec<f32> = features
                .elements()
                .iter()
                .map(|value| match value {
                    Field::Float(value) => *value,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(features, table.features[index * 4..][..4]);
        }
    }
}

#[test]
fn a_large_parquet_table_is_written_in_groups_of_bounded_size() {
    let width = (1 << 21) + 1;
    let table = FeatureTable {
        width,
        photos: vec![TableRow { path: "p".into(), ..TableRow::default() }; 3],
        features: (0..3 * width).map(|index| index as f32).collect(),
        ..FeatureTable::default()
    };
    let reader = parquet_reader(&table);
    assert_eq!(reader.num_row_groups(), 3, "two rows have more than 2^22 features");
    let group = reader.get_row_group(2).unwrap();
    let mut column = get_typed_column_reader::<FloatType>(group.get_column_reader(2).unwrap());
    let (mut values, mut defined, mut repeated) = (vec![], vec![], vec![]);
    let (records, _, _) =
        column.read_records(1, Some(&mut defined), Some(&mut repeated), &mut values).unwrap();
    assert_eq!((records, values.len()), (1, width));
    assert!(values == table.features[2 * width..]);
}
