package tensorfile

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// readTorchZip reads PREFIX/data.pkl; storage KEY is PREFIX/data/KEY.
func readTorchZip(f io.ReaderAt, size int64) (any, error) {
	archive, err := zip.NewReader(f, size)
	if err != nil {
		return nil, fmt.Errorf("is no whole zip: %w", err)
	}
	members, prefix, err := torchMembers(archive)
	if err != nil {
		return nil, err
	}
	if order, ok := members[prefix+"byteorder"]; ok {
		text, err := readMember(order, 16)
		if err != nil {
			return nil, err
		}
		if string(text) != "little" {
			return nil, fmt.Errorf("has byte order %q, not little", text)
		}
	}
	pickled, err := readMember(members[prefix+"data.pkl"], maxPickleBytes)
	if err != nil {
		return nil, err
	}
	found := storages{}
	u := newUnpickler(strings.NewReader(string(pickled)))
	u.storage = found.resolve
	root, err := u.load()
	if err != nil {
		return nil, err
	}
	for key, s := range found {
		member := members[prefix+"data/"+key]
		if member == nil {
			return nil, fmt.Errorf("has no storage %q", key)
		}
		if err := checkStored(member); err != nil {
			return nil, err
		}
		begin, err := member.DataOffset()
		if err != nil {
			return nil, fmt.Errorf("storage %q: %w", key, err)
		}
		if err := found.find(key, begin, int64(member.UncompressedSize64), size); err != nil {
			return nil, err
		}
		s.intact = sync.OnceValue(func() error { return checkMember(member) })
	}
	return root, nil
}

// torchMembers are the zip's members by name, and the prefix of them all.
func torchMembers(archive *zip.Reader) (members map[string]*zip.File, prefix string, err error) {
	members = map[string]*zip.File{}
	for _, m := range archive.File {
		if members[m.Name] != nil {
			return nil, "", fmt.Errorf("%s stands twice in the zip", m.Name)
		}
		members[m.Name] = m
		folder, name, ok := strings.Cut(m.Name, "/")
		switch {
		case ok && name == "constants.pkl":
			return nil, "", errors.New("is TorchScript, a program (torch.jit.save): only dicts of tensors are read")
		case ok && name == "data.pkl" && prefix != "":
			return nil, "", fmt.Errorf("has both %sdata.pkl and %s", prefix, m.Name)
		case ok && name == "data.pkl":
			prefix = folder + "/"
		}
	}
	if prefix == "" {
		return nil, "", errors.New("is a zip without data.pkl: not written by torch.save")
	}
	return members, prefix, nil
}

// checkStored demands that a member is not compressed, as torch.save never does:
// so none can unfold to more than the file has.
func checkStored(m *zip.File) error {
	if m.Method != zip.Store || m.CompressedSize64 != m.UncompressedSize64 {
		return fmt.Errorf("%s is compressed, which torch.save does not do", m.Name)
	}
	return nil
}

// readMember reads a member of at most limit bytes; its checksum is compared.
func readMember(m *zip.File, limit uint64) ([]byte, error) {
	if err := checkStored(m); err != nil {
		return nil, err
	}
	if m.UncompressedSize64 > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", m.Name, m.UncompressedSize64, limit)
	}
	r, err := m.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	return content, nil
}

// checkMember reads a member through for its checksum's sake.
func checkMember(m *zip.File) error {
	r, err := m.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err != nil {
		return fmt.Errorf("is damaged: %s: %w", m.Name, err)
	}
	return nil
}
