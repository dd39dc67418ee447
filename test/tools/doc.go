// Package tools tests Kafka's command-line tools as they are used: each script in testdata runs them as processes, by their own names, against a gokafka
// of its own in the process of the test, and looks at their standard output, standard error and exit status.
//
// Every script has $BROKER, the address of that gokafka, and $NOWHERE, where nobody listens. Besides testscript's commands there is
//
//	like stdout want      # or like FILE want: equal line by line, where "<*>" in want stands for anything within its line
//	hang TOPIC            # leave a transaction open in partitions 0 and 1, of the producers $PID0 and $PID1, that no coordinator knows of
//
// The same tools beside Java's, against the same broker: test/compat.
package tools
