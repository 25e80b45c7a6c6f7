// Reads a topic with franz-go: BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS.
//
// GOGC=400 is set here: its garbage collector is what it waits for most with the default of 100. Commits are automatic, every
// 5 s. Measures what benches/src/tally.rs measures.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type mark struct {
	at           time.Time
	user, system float64
}

func main() {
	if err := read(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(args []string) error {
	if len(args) != 5 {
		return fmt.Errorf("BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS")
	}
	debug.SetGCPercent(400)
	topic, group := args[1], args[2]
	wanted, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	partitions, err := strconv.Atoi(args[4])
	if err != nil {
		return err
	}
	skip, skipErr := strconv.ParseInt(os.Getenv("BENCH_LATENCY_SKIP"), 10, 64)
	measuresLatency := skipErr == nil

	born := time.Now()
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(args[0], ",")...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// The defaults, said here because Milena's are the same: 50 MiB of a broker, 1 MiB of a partition.
		kgo.FetchMaxBytes(50 << 20),
		kgo.FetchMaxPartitionBytes(1 << 20),
	}
	if group == "-" {
		offsets := make(map[int32]kgo.Offset, partitions)
		for partition := range partitions {
			offsets[int32(partition)] = kgo.NewOffset().AtStart()
		}
		options = append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	} else {
		options = append(options, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()

	var first mark
	var records, keyBytes, valueBytes int64
	var touched uint64
	var latencies []int64
	for records < wanted {
		fetches := client.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachPartition(func(partition kgo.FetchTopicPartition) {
			for _, record := range partition.Records {
				if records == skip {
					first = here()
				}
				if measuresLatency && records >= skip {
					sent := int64(binary.BigEndian.Uint64(record.Value))
					latencies = append(latencies, time.Now().UnixMicro()-sent)
				}
				records++
				keyBytes += int64(len(record.Key))
				valueBytes += int64(len(record.Value))
				touched += uint64(record.Offset) + uint64(record.Timestamp.UnixMilli()) + ends(record.Key) + ends(record.Value)
			}
		})
	}
	last := here()
	p50, p99 := "null", "null"
	if len(latencies) > 0 {
		slices.Sort(latencies)
		p50 = strconv.FormatInt(latencies[(len(latencies)-1)*50/100], 10)
		p99 = strconv.FormatInt(latencies[(len(latencies)-1)*99/100], 10)
	}
	fmt.Printf("{\"records\":%d,\"key_bytes\":%d,\"value_bytes\":%d,\"touched\":\"%016x\",\"start_seconds\":%.6f,"+
		"\"seconds\":%.6f,\"user_cpu_s\":%.3f,\"system_cpu_s\":%.3f,\"peak_rss_kib\":%d,\"bytes_received\":null,"+
		"\"latency_p50_us\":%s,\"latency_p99_us\":%s}\n",
		records, keyBytes, valueBytes, touched, first.at.Sub(born).Seconds(), last.at.Sub(first.at).Seconds(),
		last.user-first.user, last.system-first.system, peakRSSKiB(), p50, p99)
	return nil
}

func ends(bytes []byte) uint64 {
	if len(bytes) == 0 {
		return 0
	}
	return uint64(bytes[0]) + uint64(bytes[len(bytes)-1])
}

// here is the moment, and the user and system time of this process, which Linux tells in hundredths of a second.
func here() mark {
	stat, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ") ")+2:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return mark{time.Now(), user / 100, system / 100}
}

func peakRSSKiB() int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			size, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return size
		}
	}
	return 0
}
