package export

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// castagnoli is the polynomial of CRC-32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is CRC-32C as TFRecord has it: rotated and shifted, so that the
// checksum of data which holds checksums is none of them.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// writeRecord frames data as a TFRecord: its length, the length's checksum, the
// data, the data's checksum; little-endian.
func writeRecord(w io.Writer, data []byte) error {
	record := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	record = binary.LittleEndian.AppendUint32(record, maskedCRC(record))
	record = append(record, data...)
	record = binary.LittleEndian.AppendUint32(record, maskedCRC(data))
	_, err := w.Write(record)
	return err
}
