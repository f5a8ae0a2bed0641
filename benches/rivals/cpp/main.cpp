// Measures the rivals of C++ as the program in Rust measures its own, and prints a row of
// JSON for each result.
#include <malloc.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <sstream>
#include <thread>

#include "rival.hpp"

std::vector<std::unique_ptr<Rival>>& rivals() {
    static std::vector<std::unique_ptr<Rival>> all;
    return all;
}

Receiver* make_receiver(u64 c) {
    struct Adds : Receiver {
        u64 c;
        explicit Adds(u64 c) : c(c) {}
        void call(const u64& x) override { work(c, x); }
    };
    return new Adds(c);
}

void Latency::add(u64 nanoseconds) {
    if (nanoseconds < counts.size())
        counts[nanoseconds]++;
    else
        longer.push_back(nanoseconds);
}

u64 bytes_in_use() {
    auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

// Binds this thread to a core of its own.
static void stay_on(u64 number) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(number % std::thread::hardware_concurrency(), &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

u64 on_threads(u64 count, const std::function<void()>& work) {
    alignas(256) static std::atomic<u64> waiting;
    waiting = count;
    std::vector<u64> took(count);
    std::vector<std::thread> threads;
    for (u64 at = 0; at < count; at++)
        threads.emplace_back([&, at] {
            stay_on(at);
            waiting--;
            while (waiting.load(std::memory_order_relaxed) != 0) __builtin_ia32_pause();
            u64 started = now();
            work();
            took[at] = now() - started;
        });
    for (auto& thread : threads) thread.join();
    return *std::max_element(took.begin(), took.end());
}

void under_churn(Latency& latency, const std::function<void(u64)>& pair, const std::function<void()>& sends) {
    struct alignas(256) Flag {
        std::atomic<u64> value;
    };
    static Flag stop, pairs;
    stop.value = 0;
    pairs.value = 0;
    std::thread churn([&] {
        stay_on(1);
        for (u64 c = 0; !stop.value.load(std::memory_order_relaxed); c++) {
            pair(c);
            pairs.value.store(c + 1, std::memory_order_relaxed);
        }
    });
    std::thread([&] {
        stay_on(0);
        while (pairs.value.load(std::memory_order_relaxed) == 0) __builtin_ia32_pause();
        u64 before = pairs.value, started = now();
        sends();
        latency.took += now() - started;
        latency.pairs += pairs.value - before;
        stop.value = 1;
    }).join();
    churn.join();
}

void under_changes(Latency& latency, u64 period, const std::function<void(u64)>& change,
                   const std::function<void()>& sends) {
    struct alignas(256) Flag {
        std::atomic<u64> value;
    };
    static Flag stop, changes;
    stop.value = 0;
    changes.value = 0;
    // A thread that sleeps may wake this much later: the rest of the time it spins.
    constexpr u64 oversleeps = 200'000;
    std::thread changing([&] {
        stay_on(1);
        u64 due = now();
        for (u64 c = 0; !stop.value.load(std::memory_order_relaxed); c++) {
            change(c);
            changes.value.store(c + 1, std::memory_order_relaxed);
            if (period == 0) continue;
            due = std::max(now(), due + period);
            for (u64 at = now(); at < due; at = now()) {
                if (due - at > oversleeps)
                    std::this_thread::sleep_for(std::chrono::nanoseconds(due - at - oversleeps));
                else
                    __builtin_ia32_pause();
            }
        }
    });
    std::thread([&] {
        stay_on(0);
        while (changes.value.load(std::memory_order_relaxed) == 0) __builtin_ia32_pause();
        u64 before = changes.value, started = now();
        sends();
        latency.took += now() - started;
        latency.pairs += changes.value - before;
        stop.value = 1;
    }).join();
    changing.join();
}

namespace {

struct Effort {
    u64 rounds, round;
    std::vector<u64> receivers, held, senders, threads;
    u64 timed_sends, timed_rounds, in_memory, tail_sends, tail_runs;
};

struct Case {
    std::string rival;
    u64 at;
    Run run;
};

void row(const std::string& work, const std::string& rival, u64 at, const std::string& rest) {
    std::printf("{\"work\":\"%s\",\"rival\":\"%s\",\"at\":%llu,%s}\n", work.c_str(), rival.c_str(),
                (unsigned long long)at, rest.c_str());
    std::fflush(stdout);
}

void without(const std::string& work, const std::string& rival, u64 at, const std::string& why) {
    row(work, rival, at, "\"why\":\"" + why + "\"");
}

void shuffle(std::vector<size_t>& order, Lcg& random) {
    for (size_t at = order.size(); at-- > 1;) std::swap(order[at], order[random.below(at + 1)]);
}

void measure(const std::string& work, const Effort& effort, u64 round, std::vector<Case> cases) {
    std::vector<u64> repeats;
    std::vector<size_t> order;
    for (auto& one : cases) {
        u64 n = 1, took;
        while ((took = one.run(n)) <= round / 4) n *= 2;
        repeats.push_back(std::max<u64>(1, u64(double(n) * double(round) / double(took))));
        order.push_back(order.size());
    }
    std::vector<std::vector<double>> taken(cases.size());
    Lcg random{7};
    for (u64 i = 0; i < effort.rounds; i++) {
        shuffle(order, random);
        for (size_t at : order) taken[at].push_back(double(cases[at].run(repeats[at])) / double(repeats[at]));
    }
    for (size_t at = 0; at < cases.size(); at++) {
        std::sort(taken[at].begin(), taken[at].end());
        std::ostringstream values;
        values << "\"values\":{\"least\":" << taken[at][0] << ",\"median\":" << taken[at][taken[at].size() / 2] << "}";
        row(work, cases[at].rival, cases[at].at, values.str());
    }
    // Kept for good: a heap with holes favours some of those that are filled next.
    static std::vector<std::vector<Case>> kept;
    kept.push_back(std::move(cases));
}

void sends(const Effort& effort) {
    for (u64 n : effort.receivers) {
        std::vector<Case> cases;
        for (auto& rival : rivals()) cases.push_back({rival->name, n, rival->sends(n)});
        measure("sends", effort, effort.round, std::move(cases));
    }
}

void threads(const Effort& effort) {
    std::vector<Case> cases;
    for (auto& rival : rivals()) {
        if (!rival->not_shared.empty()) {
            without("threads", rival->name, 1, rival->not_shared);
            continue;
        }
        for (u64 count : effort.threads) cases.push_back({rival->name, count, rival->threads(4, count)});
    }
    measure("threads", effort, effort.round * 5, std::move(cases));
}

void changes(const Effort& effort) {
    for (u64 held : effort.held) {
        std::vector<Case> newest, random;
        for (auto& rival : rivals()) {
            if (!rival->not_changed.empty()) {
                for (const char* work : {"changes newest", "changes random"}) without(work, rival->name, held, rival->not_changed);
                continue;
            }
            auto runs = rival->changes(held);
            newest.push_back({rival->name, held, runs.first});
            random.push_back({rival->name, held, runs.second});
        }
        measure("changes newest", effort, effort.round, std::move(newest));
        measure("changes random", effort, effort.round, std::move(random));
    }
}

void senders(const Effort& effort) {
    for (u64 n : effort.senders)
        for (bool random : {false, true}) {
            std::vector<Case> cases;
            for (auto& rival : rivals())
                if (auto run = rival->senders(n, random)) cases.push_back({rival->name, n, run});
            measure(random ? "senders random" : "senders same", effort, effort.round, std::move(cases));
        }
}

void latencies(const std::string& work, const std::string& rival, u64 at, const Latency& latency, const char* name,
               double value) {
    std::ostringstream rest;
    rest << "\"values\":{\"" << name << "\":" << value << "},\"counts\":[";
    bool first = true;
    auto count = [&](u64 nanoseconds, u64 times) {
        rest << (first ? "[" : ",[") << nanoseconds << "," << times << "]";
        first = false;
    };
    for (u64 at = 0; at < latency.counts.size(); at++)
        if (latency.counts[at]) count(at, latency.counts[at]);
    for (u64 longer : latency.longer) count(longer, 1);
    rest << "]";
    row(work, rival, at, rest.str());
}

void latency(const Effort& effort) {
    if (std::thread::hardware_concurrency() < 2) return without("latency", "C++", 4, "the two threads need a core each");
    struct One {
        std::string rival;
        std::function<void(Latency&)> run;
        Latency latency;
    };
    std::vector<One> all;
    std::vector<size_t> order;
    for (auto& rival : rivals()) {
        std::string why = rival->not_changed.empty() ? rival->not_shared : rival->not_changed;
        if (!why.empty()) {
            without("latency", rival->name, 4, why);
            continue;
        }
        order.push_back(all.size());
        all.push_back({rival->name, rival->latency(4, effort.timed_sends), {}});
    }
    Lcg random{7};
    for (u64 i = 0; i < effort.timed_rounds; i++) {
        shuffle(order, random);
        for (size_t at : order) all[at].run(all[at].latency);
    }
    for (auto& one : all)
        latencies("latency", one.rival, 4, one.latency, "pairs/µs", double(one.latency.pairs) * 1e3 / double(one.latency.took));
}

// A row for each run; the program in Rust takes the medians. Only for the rivals of the same kind as those of Rust.
void tail(const Effort& effort) {
    if (std::thread::hardware_concurrency() < 2) return;
    struct One {
        std::string rival;
        u64 rate;
        std::function<void(Latency&, u64)> run;
    };
    std::vector<One> all;
    std::vector<size_t> order;
    for (u64 rate : {1'000, 100'000, 0})
        for (auto& rival : rivals())
            if (rival->name.rfind("liburcu", 0) == 0) {
                order.push_back(all.size());
                all.push_back({rival->name, rate, rival->tail(4, effort.tail_sends)});
            }
    Lcg random{7};
    for (u64 i = 0; i < effort.tail_runs; i++) {
        shuffle(order, random);
        for (size_t at : order) {
            auto& one = all[at];
            Latency latency;
            one.run(latency, one.rate ? 1'000'000'000 / one.rate : 0);
            latencies("tail", one.rival, one.rate, latency, "changes/s", double(latency.pairs) * 1e9 / double(latency.took));
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }
}

std::vector<u64> numbers(const char* text) {
    std::vector<u64> all;
    std::stringstream stream(text);
    for (std::string one; std::getline(stream, one, ',');) all.push_back(std::stoull(one));
    return all;
}

}

int main(int count, char** arguments) {
    if (count != 13) {
        std::fputs("error: started by hand: the program in Rust starts this one\n", stderr);
        return 2;
    }
    auto number = [&](int at) { return std::stoull(arguments[at]); };
    Effort effort{number(1),
                  number(2),
                  numbers(arguments[3]),
                  numbers(arguments[4]),
                  numbers(arguments[5]),
                  numbers(arguments[6]),
                  number(7),
                  number(8),
                  number(9),
                  number(10),
                  number(11)};
    bool tail_alone = number(12) != 0;
    // While a process has one thread only, libstdc++ and malloc leave their atomics out.
    std::thread([] {
        while (true) std::this_thread::sleep_for(std::chrono::hours(1));
    }).detach();

    std::sort(rivals().begin(), rivals().end(), [](auto& a, auto& b) { return a->name < b->name; });
    if (tail_alone) {
        tail(effort);
        std::fflush(stdout);
        std::quick_exit(0);
    }
    for (auto& rival : rivals()) without("about", rival->name, 0, rival->about);
    sends(effort);
    threads(effort);
    latency(effort);
    tail(effort);
    senders(effort);
    changes(effort);
    for (auto& rival : rivals()) {
        std::ostringstream values;
        values << "\"values\":{\"bytes\":" << rival->bytes(effort.in_memory) << "}";
        row("memory", rival->name, effort.in_memory, values.str());
    }
    std::fflush(stdout);
    // Not through the destructors: the parked thread still runs.
    std::quick_exit(0);
}
