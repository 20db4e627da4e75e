"""The messages of Sparkplug B as protobuf classes, built from one table instead of a generated file."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Message, field, number and type, as the Sparkplug 3.0 specification prints them (chapter 6, proto2).
# `repeated` before a type; `|` before the fields of which one carries the value.
TABLE = """
Payload: 1 timestamp uint64, 2 metrics repeated Metric, 3 seq uint64, 4 uuid string, 5 body bytes
Metric: 1 name string, 2 alias uint64, 3 timestamp uint64, 4 datatype uint32, 5 is_historical bool,
  6 is_transient bool, 7 is_null bool, 8 metadata MetaData, 9 properties PropertySet, |10 int_value uint32,
  |11 long_value uint64, |12 float_value float, |13 double_value double, |14 boolean_value bool,
  |15 string_value string, |16 bytes_value bytes, |17 dataset_value DataSet, |18 template_value Template,
  |19 extension_value Extension
MetaData: 1 is_multi_part bool, 2 content_type string, 3 size uint64, 4 seq uint64, 5 file_name string,
  6 file_type string, 7 md5 string, 8 description string
PropertySet: 1 keys repeated string, 2 values repeated PropertyValue
PropertySetList: 1 propertyset repeated PropertySet
PropertyValue: 1 type uint32, 2 is_null bool, |3 int_value uint32, |4 long_value uint64, |5 float_value float,
  |6 double_value double, |7 boolean_value bool, |8 string_value string, |9 propertyset_value PropertySet,
  |10 propertysets_value PropertySetList, |11 extension_value Extension
DataSet: 1 num_of_columns uint64, 2 columns repeated string, 3 types repeated uint32, 4 rows repeated Row
Row: 1 elements repeated DataSetValue
DataSetValue: |1 int_value uint32, |2 long_value uint64, |3 float_value float, |4 double_value double,
  |5 boolean_value bool, |6 string_value string, |7 extension_value Extension
Template: 1 version string, 2 metrics repeated Metric, 3 parameters repeated Parameter, 4 template_ref string,
  5 is_definition bool
Parameter: 1 name string, 2 type uint32, |3 int_value uint32, |4 long_value uint64, |5 float_value float,
  |6 double_value double, |7 boolean_value bool, |8 string_value string, |9 extension_value Extension
Extension:
"""
PACKAGE = "cityhub.sparkplug"
# A text may be any bytes on the wire (proto2): read as bytes, so that a bad one does not cost its whole message.
SCALARS = {"uint64": 4, "uint32": 13, "bool": 8, "string": 12, "bytes": 12, "float": 2, "double": 1}
OPTIONAL, REPEATED, MESSAGE = 1, 3, 11


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="cityhub/sparkplug.proto", package=PACKAGE, syntax="proto2"
    )
    for line in TABLE.replace(",\n ", ",").strip().splitlines():
        name, _, fields = line.partition(":")
        message = file.message_type.add(name=name)
        for written in filter(None, (part.strip() for part in fields.split(","))):
            number, field_name, *label, kind = written.split()
            field = message.field.add(name=field_name, number=int(number.lstrip("|")))
            field.label = REPEATED if label else OPTIONAL
            if kind in SCALARS:
                field.type = SCALARS[kind]
            else:
                field.type, field.type_name = MESSAGE, f".{PACKAGE}.{kind}"
            if number.startswith("|"):
                if not message.oneof_decl:
                    message.oneof_decl.add(name="value")
                field.oneof_index = 0
    return file


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_described())
    names = [line.partition(":")[0] for line in TABLE.strip().splitlines() if line[0] != " "]
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in names
    }


CLASSES = _classes()
Payload = CLASSES["Payload"]
"""The message on every topic but STATE; texts in it are bytes, `text` reads them."""


def text(raw: bytes) -> str:
    """A text of a message; what is no UTF-8 shows as the replacement character."""
    return raw.decode("utf-8", "replace")
