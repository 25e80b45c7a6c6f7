// Writes what franz-go writes. Argument: bootstrap. Each line of standard input is "kind codec topic [count]"; all goes
// to partition 0, and "done" plus the line is the answer. Kinds: plain, headers, times, big, batches, transactions.
package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var start = time.UnixMilli(1767225600000)

// Not collected: a transaction must stay open.
var open []*kgo.Client

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		count := 0
		if len(words) > 3 {
			count, _ = strconv.Atoi(words[3])
		}
		if err := write(words[0], words[1], words[2], count); err != nil {
			fmt.Fprintln(os.Stderr, lines.Text(), err)
			os.Exit(1)
		}
		fmt.Println("done", lines.Text())
	}
}

func client(codec string, more ...kgo.Opt) (*kgo.Client, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[codec]),
		kgo.ProducerLinger(50 * time.Millisecond),
		kgo.ProducerBatchMaxBytes(1 << 20),
	}
	return kgo.NewClient(append(options, more...)...)
}

func record(topic string, at time.Time, key, value []byte, headers ...kgo.RecordHeader) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: 0, Timestamp: at, Key: key, Value: value, Headers: headers}
}

func plain(topic string, count int) (records []*kgo.Record) {
	for index := 0; index < count; index++ {
		at := start.Add(time.Duration(index) * time.Millisecond)
		switch index % 6 {
		case 1:
			records = append(records, record(topic, at, nil, []byte("no key")))
		case 2:
			records = append(records, record(topic, at, []byte("no value"), nil))
		case 3:
			records = append(records, record(topic, at, nil, nil))
		case 4:
			records = append(records, record(topic, at, []byte{}, []byte{}))
		default:
			text := fmt.Sprintf("letter %d, dopis – žluťoučký kůň", index)
			records = append(records, record(topic, at, []byte(fmt.Sprintf("k%d", index)), []byte(text)))
		}
	}
	return records
}

func headers(topic string) []*kgo.Record {
	header := func(name string, value []byte) kgo.RecordHeader { return kgo.RecordHeader{Key: name, Value: value} }
	return []*kgo.Record{
		record(topic, start, nil, []byte("one"), header("a", []byte("1"))),
		record(topic, start, nil, []byte("twice"),
			header("a", []byte("1")), header("b", []byte("2")), header("a", []byte("3"))),
		record(topic, start, nil, []byte("null and empty"),
			header("null", nil), header("empty", []byte{}), header("", []byte("no name"))),
		// Names are bytes on the wire, and brokers take any.
		record(topic, start, nil, []byte("no UTF-8"),
			header("\xff\xfe", []byte("x")), header("a\xc3", []byte("y")), header("\xed\xa0\x80\xf0\x9f", nil)),
	}
}

func times(topic string) (records []*kgo.Record) {
	// The zero time means "now" to franz-go.
	for _, millis := range []int64{0, 1, 1767225600000, 1767225599999, -5} {
		records = append(records, record(topic, time.UnixMilli(millis), nil, []byte(strconv.FormatInt(millis, 10))))
	}
	return records
}

func big(topic string, count int) []*kgo.Record {
	if count == 0 {
		count = 12_000
	}
	chance := rand.New(rand.NewSource(1))
	var text strings.Builder
	for text.Len() < count {
		fmt.Fprintf(&text, "word%d ", chance.Intn(8))
	}
	return []*kgo.Record{
		record(topic, start, []byte("before"), []byte("small")),
		record(topic, start, []byte("big"), []byte(text.String())),
		record(topic, start, []byte("after"), []byte("small")),
	}
}

func write(kind, codec, topic string, count int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if kind == "transactions" {
		return transactions(ctx, codec, topic)
	}
	producer, err := client(codec)
	if err != nil {
		return err
	}
	defer producer.Close()
	var batches [][]*kgo.Record
	switch kind {
	case "plain":
		batches = append(batches, plain(topic, 12))
	case "headers":
		batches = append(batches, headers(topic))
	case "times":
		batches = append(batches, times(topic))
	case "big":
		batches = append(batches, big(topic, count))
	case "batches":
		for batch := 1; batch <= 4; batch++ {
			batches = append(batches, plain(topic, batch))
		}
	default:
		return fmt.Errorf("unknown kind %s", kind)
	}
	for _, batch := range batches {
		if err := producer.ProduceSync(ctx, batch...).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

func transactions(ctx context.Context, codec, topic string) error {
	for _, name := range []string{"committed", "aborted", "again", "open"} {
		producer, err := client(codec, kgo.TransactionalID(topic+"-"+name), kgo.TransactionTimeout(15*time.Minute))
		if err != nil {
			return err
		}
		if err := producer.BeginTransaction(); err != nil {
			return err
		}
		for index := 0; index < 3; index++ {
			one := record(topic, start, []byte(fmt.Sprintf("k%d", index)), []byte(name))
			if err := producer.ProduceSync(ctx, one).FirstErr(); err != nil {
				return err
			}
		}
		if name == "open" {
			open = append(open, producer)
			continue
		}
		if err := producer.EndTransaction(ctx, kgo.TransactionEndTry(name != "aborted")); err != nil {
			return err
		}
		producer.Close()
	}
	return nil
}
