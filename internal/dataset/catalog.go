package dataset

import "diffuse/internal/dataset/download"

// Inception is no data set, but fetched like one: the weights of the net that
// scores images of any kind, as pytorch-fid publishes them.
const (
	Inception     = "inception"
	InceptionFile = "pt_inception-2015-12-05-6726825d.pth"
)

// Source is where the files of a data set come from.
type Source struct {
	Mirrors []string        // addresses of folders, the first is asked first
	Files   []download.File // what fetch brings
	Others  []download.File // official files in another form, which verify knows
}

// SourceOf is the source of the data set called name, or of Inception; false
// where there is none to download.
func SourceOf(name string) (Source, bool) {
	s, ok := sources[name]
	return s, ok
}

// Sizes and MD5s of Fashion-MNIST are those of its README, its SHA-256s were taken
// of files with these MD5s. CIFAR-10's MD5 is that of its page; the SHA-256 of its
// tarball is the one that TensorFlow Datasets checks, those of its batches are the
// ones that torchvision-ruby checks.
var sources = map[string]Source{
	Inception: {
		Mirrors: []string{"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"},
		Files:   []download.File{{Name: InceptionFile, Size: 95628359, SHA256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"}},
	},
	FashionMNIST: {
		Mirrors: []string{
			"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
			"https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
		},
		Files: []download.File{
			{Name: "train-images-idx3-ubyte.gz", Size: 26421880, MD5: "8d4fb7e6c68d591d4c3dfef9ec88bf0d", SHA256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"},
			{Name: "train-labels-idx1-ubyte.gz", Size: 29515, MD5: "25c81989df183df01b3e8a0aad5dffbe", SHA256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"},
			{Name: "t10k-images-idx3-ubyte.gz", Size: 4422102, MD5: "bef4ecab320f06d8554ea6380940ec79", SHA256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"},
			{Name: "t10k-labels-idx1-ubyte.gz", Size: 5148, MD5: "bb300cfdad3c16e7a12a480ee83cd310", SHA256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"},
		},
	},
	CIFAR10: {
		Mirrors: []string{"https://www.cs.toronto.edu/~kriz/"},
		Files: []download.File{
			{Name: cifarTarball, Size: 170052171, MD5: "c32a1d4ab5d03f1284b67883e8d87530", SHA256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
		},
		Others: []download.File{
			{Name: "data_batch_1.bin", Size: cifarBatch * cifarRecord, SHA256: "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
			{Name: "data_batch_2.bin", Size: cifarBatch * cifarRecord, SHA256: "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
			{Name: "data_batch_3.bin", Size: cifarBatch * cifarRecord, SHA256: "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
			{Name: "data_batch_4.bin", Size: cifarBatch * cifarRecord, SHA256: "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
			{Name: "data_batch_5.bin", Size: cifarBatch * cifarRecord, SHA256: "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
			{Name: "test_batch.bin", Size: cifarBatch * cifarRecord, SHA256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"},
		},
	},
}
