/* probe.py in C, for kernels that run too slowly for Python: the same arguments, the same output.
 *
 * usage: probe TARGET INTERVAL LOST_AFTER        (IPv4; seconds)
 *
 * Sends an ICMP echo request (RFC 792) each INTERVAL until standard input ends, prints "ready"
 * after the first hundred, and at the end one JSON object: how many were sent, how many were not
 * answered within LOST_AFTER, and the gaps: start, seconds until the next answered probe, count.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* More than an hour at 1 ms; no test probes for as long. */
#define MOST 4000000u
#define READY_AFTER 100u
/* A probe that is this late is not made up for: the machine stood still. */
#define CATCH_UP 0.05

struct request {
    struct icmphdr head;
    uint32_t number; /* icmphdr's 16 bits would wrap within a minute */
};

static double sent[MOST], answered[MOST];
static uint32_t count;
static double late;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* RFC 1071. */
static uint16_t checksum(const void *data, size_t length)
{
    const uint16_t *word = data;
    uint32_t sum = 0;
    for (; length > 1; length -= 2)
        sum += *word++;
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~(sum + (sum >> 16));
}

static void send_probe(int sock, const struct sockaddr_in *target, uint16_t ident)
{
    struct request request = {.head = {.type = ICMP_ECHO}, .number = htonl(count)};
    request.head.un.echo.id = htons(ident);
    request.head.un.echo.sequence = htons((uint16_t)count);
    request.head.checksum = checksum(&request, sizeof request);
    sent[count++] = now();
    /* An error is a lost probe: nothing will answer it. */
    (void)!sendto(sock, &request, sizeof request, 0, (const void *)target, sizeof *target);
    if (count == READY_AFTER) {
        puts("ready");
        fflush(stdout);
    }
}

static void take_answer(int sock, uint16_t ident)
{
    uint8_t packet[2048];
    ssize_t length = recv(sock, packet, sizeof packet, 0);
    if (length < 20)
        return;
    size_t head = (size_t)(packet[0] & 15) * 4;
    if ((size_t)length < head + sizeof(struct request))
        return;
    const struct request *reply = (const void *)(packet + head);
    uint32_t number = ntohl(reply->number);
    if (reply->head.type == ICMP_ECHOREPLY && ntohs(reply->head.un.echo.id) == ident &&
        number < count && answered[number] == 0)
        answered[number] = now();
}

static bool is_lost(uint32_t number)
{
    return answered[number] == 0 || answered[number] - sent[number] > late;
}

static void report(void)
{
    uint32_t lost = 0;
    for (uint32_t i = 0; i < count; i++)
        lost += is_lost(i);
    printf("{\"sent\": %u, \"lost\": %u, \"gaps\": [", count, lost);
    const char *separator = "";
    for (uint32_t i = 0; i < count; i++) {
        if (!is_lost(i))
            continue;
        uint32_t end = i;
        while (end < count && is_lost(end))
            end++;
        double until = end < count ? sent[end] : now();
        printf("%s[%.6f, %.6f, %u]", separator, sent[i], until - sent[i], end - i);
        separator = ", ";
        i = end;
    }
    puts("]}");
}

int main(int argc, char **argv)
{
    struct sockaddr_in target = {.sin_family = AF_INET};
    if (argc != 4 || inet_pton(AF_INET, argv[1], &target.sin_addr) != 1) {
        fputs("usage: probe TARGET INTERVAL LOST_AFTER\n", stderr);
        return 2;
    }
    double interval = atof(argv[2]);
    late = atof(argv[3]);
    int sock = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (sock < 0) {
        perror("socket");
        return 1;
    }
    int buffer = 8 << 20;
    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    uint16_t ident = (uint16_t)getpid();
    bool stopping = false;
    double due = now(), end = 0;
    while (!stopping || now() < end) {
        double moment = now();
        if (!stopping && moment >= due && count < MOST) {
            send_probe(sock, &target, ident);
            due += interval;
            if (due < moment - CATCH_UP)
                due = moment - CATCH_UP;
        }
        double wait = (stopping ? end : due) - now();
        if (wait < 0)
            wait = 0;
        struct timespec timeout = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
        struct pollfd files[2] = {{.fd = sock, .events = POLLIN},
                                  {.fd = stopping ? -1 : STDIN_FILENO, .events = POLLIN}};
        if (ppoll(files, 2, &timeout, NULL) <= 0)
            continue;
        char byte;
        if (files[1].revents && read(STDIN_FILENO, &byte, 1) <= 0) {
            stopping = true;
            end = now() + late; /* the last probes may still be answered in time */
        }
        if (files[0].revents)
            take_answer(sock, ident);
    }
    report();
    return 0;
}
